//! Data sets: which parts one has, which are chosen, and how their files arrive.

use std::fs;

use aelectra_data::hub::published::{Part, Published, fetch, instructions, parts, select};
use aelectra_data::hub::{HubDataset, HubError, HubOptions};
use tempfile::TempDir;

use super::options;
use super::server::{COMMIT, DATASET, Fault, Server, sha256};

const SET: Published = Published {
    name: "texts",
    id: DATASET,
    parts: "source",
    licence: "each source its own",
    citation: "nobody",
    scored_elsewhere: &[],
};

fn wiki() -> Vec<u8> {
    (0..50_000u32).flat_map(u32::to_le_bytes).collect()
}

fn setup() -> (Server, TempDir, HubOptions) {
    let (server, dir) = (Server::start(), TempDir::new().unwrap());
    let card = |licence: &str, name: &str| {
        format!("---\nlicense: {licence}\nlicense_name: {name}\n---\n# A card\n").into_bytes()
    };
    for (file, body) in [
        ("README.md", b"---\nlicense: other\n---\n".to_vec()),
        ("data/adl/adl.parquet", b"PAR1 adl".to_vec()),
        ("data/adl/adl.md", card("cc0-1.0", "CC-0")),
        ("data/wiki/wiki.parquet", wiki()),
        ("data/wiki/wiki.md", card("cc-by-sa-4.0", "CC-BY-SA 4.0")),
        ("data/bare/bare.parquet", b"PAR1 bare".to_vec()),
    ] {
        server.put(COMMIT, file, &body);
    }
    let options = options(dir.path(), &server.url());
    (server, dir, options)
}

fn names(parts: &[Part]) -> Vec<&str> {
    parts.iter().map(|part| part.name.as_str()).collect()
}

fn chosen(parts: &[Part], names: &[&str], licences: &[&str]) -> Result<Vec<Part>, String> {
    let own = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    select(&SET, parts.to_vec(), &own(names), &own(licences))
        .map_err(|error| format!("{error}; {}", error.hint().unwrap()))
}

#[test]
fn parts_have_the_licences_of_their_cards() {
    let (_server, _dir, options) = setup();
    let dataset = HubDataset::open(DATASET, &options).unwrap();
    assert_eq!(dataset.commit(), COMMIT);
    let parts = parts(&dataset).unwrap();
    assert_eq!(names(&parts), ["adl", "bare", "wiki"]);
    let licences: Vec<String> = parts.iter().map(Part::licence_in_words).collect();
    assert_eq!(
        licences,
        [
            "cc0-1.0 (CC-0)",
            "not stated",
            "cc-by-sa-4.0 (CC-BY-SA 4.0)"
        ]
    );
    assert_eq!(parts[2].bytes, 200_000);
}

#[test]
fn sources_and_licences_are_chosen_by_name() {
    let (_server, _dir, options) = setup();
    let parts = parts(&HubDataset::open(DATASET, &options).unwrap()).unwrap();
    assert_eq!(
        names(&chosen(&parts, &[], &[]).unwrap()),
        ["adl", "bare", "wiki"]
    );
    assert_eq!(
        names(&chosen(&parts, &["wiki", "adl"], &[]).unwrap()),
        ["adl", "wiki"]
    );
    assert_eq!(names(&chosen(&parts, &[], &["CC0 1.0"]).unwrap()), ["adl"]);
    assert_eq!(
        names(&chosen(&parts, &[], &["cc-by-sa 4.0"]).unwrap()),
        ["wiki"]
    );
    let error = chosen(&parts, &["wikki"], &[]).unwrap_err();
    assert!(
        error.contains("no source `wikki`; there are: adl, bare, wiki"),
        "{error}"
    );
    // `cc-by` is another licence than `cc-by-sa`.
    let error = chosen(&parts, &[], &["cc-by"]).unwrap_err();
    assert!(
        error.contains("no source under `cc-by`") && error.contains("CC-BY-SA"),
        "{error}"
    );
    let error = chosen(&parts, &["adl"], &["cc-by-sa-4.0"]).unwrap_err();
    assert!(error.contains("--list"), "{error}");
}

#[test]
fn files_arrive_whole_and_only_once() {
    let (server, dir, options) = setup();
    let dataset = HubDataset::open(DATASET, &options).unwrap();
    let parts = chosen(&parts(&dataset).unwrap(), &["wiki"], &[]).unwrap();
    // Breaks off twice; what arrived is not fetched again.
    server.fault(
        "data/wiki/wiki.parquet",
        Fault {
            cut: Some((70_000, 2)),
            ..Fault::default()
        },
    );
    let out = dir.path().join("out");
    let fetched = fetch(&dataset, &parts, &out).unwrap();
    let target = out.join("wiki/wiki.parquet");
    assert_eq!(fetched.files, std::slice::from_ref(&target));
    assert_eq!(fs::read(&target).unwrap(), wiki());
    assert_eq!(fetched.sha256["wiki/wiki.parquet"], sha256(&wiki()));
    assert_eq!(fetched.licences["wiki"], "cc-by-sa-4.0 (CC-BY-SA 4.0)");
    let gets = server.gets("wiki.parquet");
    let ranges: Vec<Option<&str>> = gets.iter().map(|get| get.header("range")).collect();
    assert_eq!(ranges, [None, Some("bytes=70000-"), Some("bytes=140000-")]);
    assert_eq!(super::names(&out.join("wiki")), ["wiki.parquet"]);
    // Again: it is there. Damaged: it is fetched anew.
    fetch(&dataset, &parts, &out).unwrap();
    assert_eq!(server.gets("wiki.parquet").len(), 3);
    let mut damaged = wiki();
    damaged[100] ^= 1;
    fs::write(&target, damaged).unwrap();
    fetch(&dataset, &parts, &out).unwrap();
    assert_eq!(fs::read(&target).unwrap(), wiki());
}

#[test]
fn what_is_not_what_was_announced_is_refused() {
    let (server, dir, options) = setup();
    let dataset = HubDataset::open(DATASET, &options).unwrap();
    let parts = chosen(&parts(&dataset).unwrap(), &["adl"], &[]).unwrap();
    server.fault(
        "data/adl/adl.parquet",
        Fault {
            body: Some(b"PAR1 ADL".to_vec()),
            ..Fault::default()
        },
    );
    let error = fetch(&dataset, &parts, dir.path()).unwrap_err();
    assert!(matches!(error, HubError::WrongChecksum { .. }), "{error}");
    assert!(super::names(&dir.path().join("adl")).is_empty());
}

#[test]
fn without_a_network_it_says_what_to_place_where() {
    let dir = TempDir::new().unwrap();
    let mut options = options(dir.path(), "http://127.0.0.1:1");
    for offline in [false, true] {
        options.offline = offline;
        let error = HubDataset::open(DATASET, &options).unwrap_err();
        assert!(matches!(error, HubError::NoDataset { .. }), "{error}");
        assert!(error.to_string().contains(DATASET), "{error}");
    }
    let text = instructions(&SET, &options, dir.path());
    for part in ["datasets/org/texts", "SOURCE", "*.parquet", "Licence"] {
        assert!(text.contains(part), "{text}");
    }
    let (server, _dir, _) = setup();
    let options = super::options(dir.path(), &server.url());
    let error = HubDataset::open("org/none", &options).unwrap_err();
    assert!(
        error.to_string().contains("no data set of that name"),
        "{error}"
    );
}
