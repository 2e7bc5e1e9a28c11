//! Short names between the wasm module and its glue.
//!
//! wasm-bindgen gives every import a hash. They stand twice in the package, and no compressor makes
//! anything of them: 2 KB gzip. wasm-opt renames them in the module and prints what it did, one
//! `["module", "name", "short"],` a line for imports and `["name", "short"],` for exports.

use anyhow::{Result, ensure};

/// What wasm-opt must be told.
pub(crate) const WASM_OPT_PASS: &str = "--minify-imports-and-exports-and-modules";

/// The name wasm-opt gives to the module that all imports are from.
const MODULE: &str = "a";

/// The glue of the renamed module.
pub(crate) fn apply(renames: &str, glue: &str) -> Result<String> {
    let mut glue = glue.to_owned();
    let mut exports = Vec::new();
    for line in renames.lines() {
        let fields: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        match *fields.as_slice() {
            [module, name, short] => {
                glue = glue.replace(&format!("\"{module}\":"), &format!("\"{MODULE}\":"));
                glue = glue.replace(&format!(" {name}:"), &format!(" {short}:"));
                ensure!(glue.contains(&format!(" {short}:")), "the glue has no import {name}");
            }
            [name, short] => exports.push((name, short)),
            _ => {}
        }
    }
    // One name may begin with another.
    exports.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, short) in exports {
        glue = glue.replace(&format!("wasm.{name}"), &format!("wasm.{short}"));
    }
    Ok(glue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glue_calls_what_the_module_is_called_after_wasm_opt() {
        let renames = concat!(
            "{\n \"imports\": [\n  [\"./client_bg.js\", \"__wbg_now_463a\", \"A\"]\n ],\n",
            "\"exports\": [\n  [\"client_send\", \"b\"],\n  [\"client_sendAll\", \"c\"]\n]\n}\n",
        );
        let glue = concat!(
            "wasm.client_send(1); wasm.client_sendAll(2);\n",
            "    const import0 = {\n        __wbg_now_463a: function() {},\n    };\n",
            "    return { \"./client_bg.js\": import0 };\n",
        );
        let renamed = concat!(
            "wasm.b(1); wasm.c(2);\n",
            "    const import0 = {\n        A: function() {},\n    };\n",
            "    return { \"a\": import0 };\n",
        );
        assert_eq!(apply(renames, glue).expect("the names"), renamed);
    }

    #[test]
    fn an_import_that_the_glue_does_not_have_is_an_error() {
        assert!(apply("[\"./client_bg.js\", \"__wbg_now_463a\", \"A\"]", "").is_err());
    }
}
