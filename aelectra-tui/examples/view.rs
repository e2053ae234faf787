//! The dashboard over run directories, without the rest of the project:
//! `view [--once] [--read-only] [--ascii] [--no-mouse] [--live] [--replay SPEED] [--theme NAME]
//! [--svg FILE] [--json] [--size WxH] [--screen N] [--demo FILE_EVENTS DIR] RUN… | --root DIR`.
#![allow(clippy::print_stderr, clippy::print_stdout)]

use std::io::Write;
use std::process::ExitCode;

use aelectra_tui::{Exit, Live, Mode, Options, Screen, Source};

#[path = "../tests/common/demo.rs"]
mod demo;

fn main() -> ExitCode {
    match start() {
        Ok(exit) => {
            // There may be no terminal left to say it on.
            let _ = writeln!(std::io::stderr(), "left: {exit:?}");
            ExitCode::from(exit.code())
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

fn start() -> Result<Exit, Box<dyn std::error::Error>> {
    let (mut mode, mut options) = (Mode::default(), Options::default());
    let (mut runs, mut root, mut live) = (Vec::new(), None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or("a value is missing");
        match argument.as_str() {
            "--once" => mode = Mode::Once,
            "--read-only" => options.read_only = true,
            "--ascii" => options.ascii = Some(true),
            "--no-mouse" => options.no_mouse = true,
            "--json" => mode = Mode::Json,
            "--live" => live = true,
            "--replay" => options.replay = Some(value()?.trim_end_matches('x').parse()?),
            "--theme" => options.theme = Some(value()?.parse()?),
            "--svg" => mode = Mode::Svg(value()?.into()),
            "--root" => root = Some(value()?.into()),
            "--size" => {
                let size = value()?;
                let (width, height) = size.split_once('x').ok_or("--size takes WxH")?;
                options.size = Some((width.parse()?, height.parse()?));
            }
            "--screen" => {
                let index: usize = value()?.parse()?;
                options.screen = *Screen::ALL.get(index).ok_or("no such screen")?;
            }
            "--demo" => {
                let events = value()?.parse()?;
                demo::write_run(value()?.as_ref(), events)?;
                return Ok(Exit::Quit);
            }
            "--panic" => {
                // For the test that the terminal survives a panic.
                let run = runs.first().ok_or("--panic needs a run before it")?;
                let run = std::path::Path::new(run);
                let _live = Live::open(run, options, drop).ok_or("no terminal")?;
                std::thread::sleep(std::time::Duration::from_millis(700));
                panic!("asked to");
            }
            _ => runs.push(std::path::PathBuf::from(argument)),
        }
    }
    if live {
        let run = runs.first().ok_or("--live needs a run")?;
        let (send, receive) = std::sync::mpsc::channel();
        let left = move |exit| _ = send.send(exit);
        let _live = Live::open(run, options, left).ok_or("no terminal")?;
        return Ok(receive.recv()??);
    }
    let source = match root {
        Some(root) => Source::Root(root),
        None => Source::Runs(runs),
    };
    Ok(aelectra_tui::run(&source, &mode, &options)?)
}
