//! `tests/fixtures/wire/errors`: the problem object of each code. DS-12.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use serde::Deserialize;

use crate::fixtures::{self, Raw};

#[derive(Deserialize)]
struct Fixture {
    written: Raw,
    also_read: Vec<Raw>,
}

// DS-12.1
#[test]
fn every_code_has_a_fixture_and_is_written_as_it_says() {
    let fixtures = fixtures::all::<Fixture>("wire/errors");
    let mut names: Vec<&str> = fixtures.iter().map(|(name, _)| name.as_str()).collect();
    let mut codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    names.sort_unstable();
    codes.sort_unstable();
    assert_eq!(names, codes);

    for (name, fixture) in fixtures {
        let written = fixture.written.get();
        let problem: Problem = serde_json::from_str(written).unwrap();
        assert_eq!(problem.code.as_str(), name);
        assert_eq!(problem.status, problem.code.status());
        assert_eq!(serde_json::to_string(&problem).unwrap(), written);
        // DS-12.2: what follows from the code may be missing, and more may stand there.
        for variant in fixture.also_read {
            assert_eq!(serde_json::from_str::<Problem>(variant.get()).unwrap(), problem, "{name}");
        }
    }
}
