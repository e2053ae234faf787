//! `aelectra report`.

use std::path::PathBuf;

use aelectra_data::files::write_named;
use aelectra_tui::Source;
use clap::Args;

use super::told;
use crate::global::Global;
use crate::output;

/// Write a run as one HTML page for somebody without a terminal.
///
/// Curves, scores by seed and class, what was taken for what, a judged text, and the configuration. The
/// page has no script and fetches nothing.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Run directory.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// HTML file to write (default: RUN/report.html).
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &ReportArgs, global: Global) -> anyhow::Result<u8> {
    let page = aelectra_tui::report(&Source::Runs(vec![args.run.clone()])).map_err(told)?;
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| args.run.join("report.html"));
    // Only what somebody named is written through.
    if args.out.is_none() && out.is_symlink() {
        return Err(output::usage(
            format!(
                "`{}` is a symbolic link, and what it leads to is not written",
                out.display()
            ),
            "delete the link, or name the file with --out",
        ));
    }
    super::refuse_other_files(&out, std::slice::from_ref(&args.run), "html")?;
    write_named(&out, page.as_bytes())?;
    output::note(
        "note: the page names this machine and its paths, and has the text that the run was last judged on; read it \
         before you pass it on",
    );
    output::show(global, &serde_json::json!({ "report": out }), || {
        out.display().to_string()
    })
}
