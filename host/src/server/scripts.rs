//! Lua scripts: read at the start, and again whenever the server is told to reload.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::Control;
use super::objects::{interpreter, is_embedded};
use super::options::RuntimeOptions;
use crate::cache::{Cache, Script, ScriptError};
use crate::stats::log;

/// Loads the scripts now, and again whenever `control` is told to reload.
///
/// # Errors
/// Why there are no scripts; with `--objects-lenient` those that fail are only named.
pub fn load_scripts(
    cache: &Cache,
    options: &RuntimeOptions,
    control: &Control,
) -> anyhow::Result<()> {
    let (cache, directories) = (cache.clone(), options.lua_scripts.clone());
    let interpreter = interpreter()?;
    let take = move |scripts: &[Script]| {
        let types = cache.load_scripts(&interpreter, scripts)?;
        for name in types.iter().filter(|name| is_embedded(name)) {
            log::warn(format_args!(
                "the script's type {name} takes the place of the embedded one"
            ));
        }
        Ok(())
    };
    take_first(&take, options)?;
    control.on_reload_scripts(move || {
        let scripts = read(&directories).map_err(|error| format!("{error:#}"))?;
        take(&scripts).map_err(|error: ScriptError| error.to_string())
    });
    Ok(())
}

/// Loads the scripts for the first time; with `--objects-lenient` without those that fail.
fn take_first(
    take: impl Fn(&[Script]) -> Result<(), ScriptError>,
    options: &RuntimeOptions,
) -> anyhow::Result<()> {
    let mut scripts = match read(&options.lua_scripts) {
        Err(error) if options.lenient => {
            log::warn(format_args!("{error:#}"));
            return Ok(());
        }
        read => read?,
    };
    while let Err(error) = take(&scripts) {
        if !options.lenient {
            bail!("{error}; --objects-lenient starts without the script");
        }
        log::warn(format_args!("{error}"));
        let before = scripts.len();
        let failed = error.script.unwrap_or_default();
        scripts.retain(|(path, _)| Path::new(path).file_name() != Some(failed.as_ref()));
        // The error is no script's, or that of one of the interpreter's own.
        if scripts.len() == before {
            break;
        }
    }
    Ok(())
}

/// Every `*.lua` of the directories, by name.
fn read(directories: &[PathBuf]) -> anyhow::Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for directory in directories {
        let entries =
            std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry
                .with_context(|| directory.display().to_string())?
                .path();
            if path.extension().is_some_and(|extension| extension == "lua") {
                files.push(path);
            }
        }
        files.sort();
        for path in files {
            let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
            scripts.push((path.display().to_string(), text));
        }
    }
    if scripts.is_empty() {
        bail!("no *.lua file in the directories of --lua-scripts");
    }
    Ok(scripts)
}
