//! What the browser package weighs, part by part.

use anyhow::{Context, Result, bail, ensure};

use crate::{command::output, node, package, wasm::Optimise};

/// The most that an application may pay for the package: gzip of its minified bundle, in bytes. One
/// tab alone fits into 30,000; docs/TABS.md says what the rest of it is.
const TOTAL_GZIP_LIMIT_BYTES: u64 = 48_600;

/// The most that an application loads besides, once it serves an agent.
const AGENTS_GZIP_LIMIT_BYTES: u64 = 62_500;

/// The names of the lines that are the sums, as an application's bundler would make them, and what
/// they may weigh.
const LIMITS: [(&str, u64); 2] = [
    ("total, minified", TOTAL_GZIP_LIMIT_BYTES),
    ("agents in all, minified", AGENTS_GZIP_LIMIT_BYTES),
];

/// `cargo xtask size`
pub(crate) fn run() -> Result<()> {
    let built = package::directory(Optimise::Size)?;
    let built = built.to_string_lossy();
    let measured = output(&mut node::node(&package::source(), &["size.mjs", &built]))?;
    let parts = measured.lines().map(Part::parse).collect::<Result<Vec<_>>>()?;

    println!("{:<30}{:>10}{:>10}{:>10}", "bytes", "raw", "gzip", "brotli");
    for Part { name, raw, gzip, brotli } in &parts {
        println!("{name:<30}{raw:>10}{gzip:>10}{brotli:>10}");
    }
    for (name, limit) in LIMITS {
        let sum = parts.iter().find(|part| part.name == name);
        let gzip = sum.with_context(|| format!("no `{name}` was measured"))?.gzip;
        ensure!(gzip <= limit, "{name}: {gzip} bytes with gzip, over the limit of {limit}");
    }
    Ok(())
}

struct Part<'a> {
    name: &'a str,
    raw: u64,
    gzip: u64,
    brotli: u64,
}

impl<'a> Part<'a> {
    /// A line of `size.mjs`: name, raw, gzip, brotli, with tabs between.
    fn parse(line: &'a str) -> Result<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, raw, gzip, brotli] = *fields else { bail!("not a measurement: {line}") };
        Ok(Self { name, raw: raw.parse()?, gzip: gzip.parse()?, brotli: brotli.parse()? })
    }
}
