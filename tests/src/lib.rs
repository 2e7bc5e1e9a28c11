//! Tests over the whole: simulation, faults, crashes and the wire.
