//! From text to vocabulary to shards to batches.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aelectra_data::corpus::CorpusOptions;
use aelectra_data::pretrain::{
    BatchLoader, BatchSource, Packing, PrepareOptions, PrepareReport, PretrainBatch, ShardSet,
    Split, prepare,
};
use aelectra_data::rng::KeyedRng;
use aelectra_data::vocab::{VocabularyOptions, WordPieceTokenizer, train_vocabulary};

/// Documents of made-up sentences of real Danish words.
fn text(seed: u64, documents: usize) -> Vec<String> {
    let words: Vec<&str> = "og i jeg det at en den til er som på de med han af for ikke der var mig \
        sig men et har om vi min havde ham hun nu over da fra du ud sin dem os op man hans hvor \
        eller hvad skal selv her alle vil blev kunne ind når være dog noget ville huset Århus gåder \
        københavnske bygninger årsregnskab lovforslaget ændringer øl søen blåbærgrød"
        .split_whitespace()
        .collect();
    let mut rng = KeyedRng::new(seed, "test text", &[]);
    (0..documents)
        .map(|_| {
            let sentences = 1 + rng.below(12);
            (0..sentences)
                .map(|_| {
                    let length = 2 + rng.below(20);
                    let words: Vec<&str> = (0..length)
                        .map(|_| words[rng.below(words.len() as u64) as usize])
                        .collect();
                    format!("Så {}.", words.join(" "))
                })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

fn write_corpus(dir: &Path) -> CorpusOptions {
    let jsonl = |docs: &[String]| {
        docs.iter()
            .map(|text| format!("{}\n", serde_json::json!({"id": 1, "text": text})))
            .collect::<String>()
    };
    fs::write(dir.join("b.jsonl"), jsonl(&text(1, 300))).unwrap();
    fs::write(dir.join("a.txt"), text(2, 200).join("\n\n")).unwrap();
    let compressed = zstd::encode_all(jsonl(&text(3, 300)).as_bytes(), 3).unwrap();
    fs::write(dir.join("c.jsonl.zst"), compressed).unwrap();
    CorpusOptions {
        inputs: vec![dir.into()],
        chunk_bytes: 20_000,
        ..CorpusOptions::default()
    }
}

fn vocabulary(corpus: &CorpusOptions) -> WordPieceTokenizer {
    let options = VocabularyOptions {
        vocab_size: 300,
        ..VocabularyOptions::default()
    };
    train_vocabulary(corpus, &options, &|_| {}).unwrap().0
}

fn directory(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().into(),
                fs::read(path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

fn run(tokenizer: &WordPieceTokenizer, corpus: &CorpusOptions, out: PathBuf) -> PrepareReport {
    let options = PrepareOptions {
        corpus: corpus.clone(),
        out,
        max_length: 32,
        validation: 0.1,
        ..PrepareOptions::default()
    };
    prepare(tokenizer, &options, &|_| {}).unwrap()
}

/// A corpus, its vocabulary and its shards in a folder.
fn prepared(dir: &Path) -> (WordPieceTokenizer, PrepareReport, ShardSet) {
    let corpus = write_corpus(dir);
    let (tokenizer, out) = (vocabulary(&corpus), dir.join("shards"));
    let report = run(&tokenizer, &corpus, out.clone());
    (tokenizer, report, ShardSet::open(&out).unwrap())
}

#[test]
fn threads_and_order_of_inputs_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = write_corpus(dir.path());
    let tokenizer = vocabulary(&corpus);
    let names = ["c.jsonl.zst", "a.txt", "b.jsonl"];
    let reordered = CorpusOptions {
        inputs: names.iter().map(|name| dir.path().join(name)).collect(),
        threads: 1,
        ..corpus.clone()
    };
    assert_eq!(vocabulary(&reordered).tokens(), tokenizer.tokens());
    let out = tempfile::tempdir().unwrap();
    run(
        &tokenizer,
        &CorpusOptions {
            threads: 4,
            ..corpus
        },
        out.path().join("one"),
    );
    run(&tokenizer, &reordered, out.path().join("two"));
    let strip = |files: Vec<(String, Vec<u8>)>| -> Vec<(String, Vec<u8>)> {
        files
            .into_iter()
            .filter(|(name, _)| name.ends_with("shard"))
            .collect()
    };
    let one = strip(directory(&out.path().join("one")));
    assert!(one.len() > 10);
    assert_eq!(one, strip(directory(&out.path().join("two"))));
}

#[test]
fn an_interrupted_run_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = write_corpus(dir.path());
    let tokenizer = vocabulary(&corpus);
    let out = tempfile::tempdir().unwrap();
    let whole = out.path().join("whole");
    let report = run(&tokenizer, &corpus, whole.clone());
    assert_eq!(report.reused_shards, 0);
    assert_eq!((report.documents, report.discarded_tokens), (800, 0));

    // What a killed run leaves: the plan, some parts, their shards, and half-written files.
    let torn = out.path().join("torn");
    run(&tokenizer, &corpus, torn.clone());
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(torn.join("manifest.json")).unwrap()).unwrap();
    let mut plan = manifest.clone();
    for key in ["train_examples", "validation_examples", "digests", "chunks"] {
        plan.as_object_mut().unwrap().remove(key);
    }
    let tear = |plan: &str| {
        fs::remove_file(torn.join("manifest.json")).unwrap();
        fs::write(torn.join("plan.json"), plan).unwrap();
        fs::create_dir(torn.join("parts")).unwrap();
        for chunk in manifest["chunks"].as_array().unwrap() {
            let index = chunk["index"].as_u64().unwrap();
            if index % 3 != 1 {
                let name = format!("parts/{index:06}.json");
                fs::write(torn.join(name), chunk.to_string()).unwrap();
            }
        }
        fs::remove_file(torn.join("train-000000.shard")).unwrap();
        fs::write(torn.join("train-000001.shard"), "half").unwrap();
        fs::write(torn.join(".train-000001.shard.1-0.tmp"), "half").unwrap();
        fs::write(torn.join("parts/000004.json"), "{\"ind").unwrap();
    };
    tear(&plan.to_string());
    let resumed = run(&tokenizer, &corpus, torn.clone());
    assert!(resumed.reused_shards > 0 && resumed.reused_shards < resumed.shards);
    assert_eq!(directory(&torn), directory(&whole));

    // Parts of which nobody knows the plan are not used, and made anew only if that is wanted.
    tear("{\"seed\": 1");
    let mut options = PrepareOptions {
        corpus: corpus.clone(),
        out: torn.clone(),
        max_length: 32,
        validation: 0.1,
        ..PrepareOptions::default()
    };
    let refused = prepare(&tokenizer, &options, &|_| {}).unwrap_err();
    assert!(
        refused.to_string().contains("is no plan of shards"),
        "{refused}"
    );
    let kept = |name: &str| fs::read_to_string(torn.join(name)).unwrap();
    assert_eq!(kept("plan.json"), "{\"seed\": 1");
    assert_eq!(kept("train-000001.shard"), "half");
    options.restart = true;
    let anew = prepare(&tokenizer, &options, &|_| {}).unwrap();
    assert_eq!(anew.reused_shards, 0);
    assert_eq!(directory(&torn), directory(&whole));

    // A finished directory is recognised as a whole.
    let again = run(&tokenizer, &corpus, whole.clone());
    assert_eq!(again.reused_shards, again.shards);
    assert_eq!(directory(&torn), directory(&whole));
}

/// Shards may be put where other things are; what only has a name like ours is not ours.
#[test]
fn what_lies_beside_shards_stays() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = write_corpus(dir.path());
    let tokenizer = vocabulary(&corpus);
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("project");
    let theirs = [
        "parts/chapter.tex",
        "parts/12.json",
        "train-old.shard",
        "notes.txt",
    ];
    fs::create_dir_all(out.join("parts")).unwrap();
    for file in theirs {
        fs::write(out.join(file), file).unwrap();
    }
    let all_there = || {
        theirs
            .iter()
            .all(|it| fs::read_to_string(out.join(it)).unwrap() == *it)
    };
    let report = run(&tokenizer, &corpus, out.clone());
    assert_eq!(report.documents, 800);
    assert!(all_there());
    let mut options = PrepareOptions {
        corpus: corpus.clone(),
        out: out.clone(),
        max_length: 32,
        restart: true,
        ..PrepareOptions::default()
    };
    prepare(&tokenizer, &options, &|_| {}).unwrap();
    assert!(all_there());
    // A plan that is none of shards, and shards that no manifest tells of.
    for restart in [false, true] {
        options.restart = restart;
        fs::write(out.join("plan.json"), "{\"my\": \"plan\"}").unwrap();
        assert!(prepare(&tokenizer, &options, &|_| {}).is_err());
        let kept = fs::read_to_string(out.join("plan.json")).unwrap();
        assert_eq!(kept, "{\"my\": \"plan\"}");
        fs::remove_file(out.join("plan.json")).unwrap();
    }
    options.restart = false;
    fs::remove_file(out.join("manifest.json")).unwrap();
    let refused = prepare(&tokenizer, &options, &|_| {}).unwrap_err();
    assert!(refused.to_string().contains("no manifest"), "{refused}");
    for file in ["plan.json", "other.txt"] {
        let elsewhere = place.path().join(file.replace('.', "-"));
        fs::create_dir_all(&elsewhere).unwrap();
        fs::write(elsewhere.join(file), "{\"my\": \"plan\"}").unwrap();
        options.out = elsewhere.clone();
        let done = prepare(&tokenizer, &options, &|_| {});
        assert_eq!(done.is_err(), file == "plan.json");
        let kept = fs::read_to_string(elsewhere.join(file)).unwrap();
        assert_eq!(kept, "{\"my\": \"plan\"}");
    }
}

#[test]
fn a_changed_corpus_or_tokenizer_is_refused_with_the_difference() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = write_corpus(dir.path());
    let tokenizer = vocabulary(&corpus);
    let options = PrepareOptions {
        corpus: corpus.clone(),
        out: dir.path().join("out.shards"),
        max_length: 32,
        ..PrepareOptions::default()
    };
    prepare(&tokenizer, &options, &|_| {}).unwrap();
    let refusal = |options: &PrepareOptions, tokenizer| {
        prepare(tokenizer, options, &|_| {})
            .unwrap_err()
            .to_string()
    };
    let mut tokens = tokenizer.tokens().to_vec();
    tokens.push("nyt".into());
    let other = WordPieceTokenizer::from_tokens(tokens, tokenizer.options().clone()).unwrap();
    assert!(refusal(&options, &other).contains("tokenizer: "));
    let electra = PrepareOptions {
        packing: Packing::Electra,
        ..options.clone()
    };
    assert!(refusal(&electra, &tokenizer).contains("packing: \"full\" before, \"electra\" now"));
    // Same size, other content: noticed when the chunk is read.
    let file = dir.path().join("b.jsonl");
    let changed = fs::read_to_string(&file).unwrap().replacen("Så", "Må", 1);
    fs::write(&file, changed).unwrap();
    assert!(refusal(&options, &tokenizer).contains("b.jsonl differs"));
    let restart = PrepareOptions {
        restart: true,
        ..options.clone()
    };
    assert!(prepare(&tokenizer, &restart, &|_| {}).is_ok());
    assert!(
        prepare(&tokenizer, &options, &|_| {}).is_ok(),
        "the same again"
    );
    fs::write(dir.path().join("d.txt"), "Mere tekst.").unwrap();
    assert!(refusal(&options, &tokenizer).contains("d.txt: absent before, 11 bytes now"));
    assert!(prepare(&tokenizer, &restart, &|_| {}).is_ok());
}

#[test]
fn a_restart_needs_no_manifest_that_can_be_read() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let corpus = write_corpus(dir.path());
    let tokenizer = vocabulary(&corpus);
    let options = PrepareOptions {
        corpus,
        out: place.path().join("shards"),
        max_length: 32,
        ..PrepareOptions::default()
    };
    let restart = PrepareOptions {
        restart: true,
        ..options.clone()
    };
    prepare(&tokenizer, &options, &|_| {}).unwrap();
    let manifest = options.out.join("manifest.json");
    // Of another version of this program, or damaged.
    for text in [&b"{\"version\": 0}"[..], b"{\"version\"", b"\xff\xfe"] {
        fs::write(&manifest, text).unwrap();
        assert!(prepare(&tokenizer, &options, &|_| {}).is_err(), "{text:?}");
        prepare(&tokenizer, &restart, &|_| {}).unwrap();
        assert!(ShardSet::open(&options.out).is_ok());
    }
    // A training's, or somebody else's, is another matter.
    let elsewhere = PrepareOptions {
        out: place.path().join("other"),
        ..restart
    };
    fs::create_dir(&elsewhere.out).unwrap();
    let manifest = elsewhere.out.join("manifest.json");
    for text in ["{\"task\": \"pretrain\"}", "{\"name\": \"an app\"}"] {
        fs::write(&manifest, text).unwrap();
        assert!(prepare(&tokenizer, &elsewhere, &|_| {}).is_err());
        assert_eq!(fs::read_to_string(&manifest).unwrap(), text);
    }
}

#[test]
fn batches_are_a_function_of_the_step() {
    let dir = tempfile::tempdir().unwrap();
    let (tokenizer, report, set) = prepared(dir.path());
    assert_eq!(set.len(Split::Train) as u64, report.train_examples);
    assert_eq!(
        set.len(Split::Validation) as u64,
        report.validation_examples
    );
    assert!(!set.is_empty(Split::Validation));
    assert_eq!(set.tokenizer_fingerprint(), tokenizer.fingerprint());

    let set = Arc::new(set);
    let source = Arc::new(BatchSource::new(set.clone(), Split::Train, 7, 8).unwrap());
    let first: Vec<_> = BatchLoader::start(source.clone(), 0, 2)
        .take(20)
        .map(Result::unwrap)
        .collect();
    let resumed: Vec<_> = BatchLoader::start(source.clone(), 10, 2)
        .take(10)
        .map(Result::unwrap)
        .collect();
    assert_eq!(first[10..], resumed);
    let special = tokenizer.special();
    for batch in &first {
        assert_eq!(batch.input_ids.len(), 8 * 32);
        for (&slot, &label) in batch.masked_rows.iter().zip(&batch.masked_labels) {
            let slot = slot as usize;
            assert_eq!(batch.input_ids[slot], label);
            assert!(slot % 32 < batch.lengths[slot / 32]);
            assert!(![special.pad, special.cls, special.sep, special.mask].contains(&label));
        }
        assert_eq!(
            batch
                .input_ids
                .iter()
                .filter(|&&id| id == special.cls)
                .count(),
            8
        );
    }
    // A drawn share that falls to a third over ten steps, and stays there.
    let falling = source.as_ref().clone().with_share_at_end(0.05, 10);
    let drawn = |step| falling.batch(step).unwrap().masked_rows.len();
    assert_eq!(drawn(0), source.batch(0).unwrap().masked_rows.len());
    assert!(drawn(0) > drawn(5) && drawn(5) > drawn(10), "it falls");
    for (step, share) in [(0, 0.15), (5, 0.1), (10, 0.05), (1000, 0.05)] {
        let found = falling.policy_at(step).mask_prob;
        assert!((found - share).abs() < 1e-12, "{step}: {found}");
    }
}

/// What the generator is given and is not, over an epoch and the next.
#[test]
fn a_batch_hides_what_is_to_be_guessed() {
    let dir = tempfile::tempdir().unwrap();
    let (tokenizer, _, set) = prepared(dir.path());
    let set = Arc::new(set);
    let (mask, all) = (tokenizer.special().mask, set.len(Split::Train));
    let source = BatchSource::new(set, Split::Train, 7, all).unwrap();
    let epochs = [0, 1].map(|step| source.batch(step).unwrap());
    let (mut masked, mut drawn) = (0, 0);
    for batch in &epochs {
        for (slot, (&given, &original)) in batch.masked_ids.iter().zip(&batch.input_ids).enumerate()
        {
            if batch.masked_rows.binary_search(&(slot as u32)).is_ok() {
                assert!([mask, original].contains(&given), "{given} for {original}");
                masked += usize::from(given == mask);
                drawn += 1;
            } else {
                assert_eq!(given, original, "slot {slot} was not drawn");
            }
        }
    }
    // 85 % of what is drawn is masked in the reference.
    let share = f64::from(masked as u32) / f64::from(drawn as u32);
    assert!(
        drawn > 5_000 && (0.83..0.87).contains(&share),
        "{share} of {drawn}"
    );

    // Each example once an epoch, and other tokens of it drawn.
    let by_example = |batch: &PretrainBatch| {
        let mut of = BTreeMap::new();
        for (row, ids) in batch.input_ids.chunks(batch.seq_len).enumerate() {
            let cells = row * batch.seq_len..(row + 1) * batch.seq_len;
            let drawn: Vec<usize> = batch
                .masked_rows
                .iter()
                .map(|&slot| slot as usize)
                .filter(|slot| cells.contains(slot))
                .map(|slot| slot - cells.start)
                .collect();
            of.entry(ids.to_vec()).or_insert_with(Vec::new).push(drawn);
        }
        of
    };
    let [first, second] = [&epochs[0], &epochs[1]].map(by_example);
    let counts = |of: &BTreeMap<Vec<u32>, Vec<Vec<usize>>>| -> Vec<(Vec<u32>, usize)> {
        of.iter()
            .map(|(ids, drawn)| (ids.clone(), drawn.len()))
            .collect()
    };
    assert_eq!(counts(&first), counts(&second));
    assert_ne!(epochs[0].input_ids, epochs[1].input_ids, "another order");
    let same = first
        .iter()
        .filter(|(ids, drawn)| second[*ids] == **drawn)
        .count();
    assert!(
        same * 10 < first.len(),
        "{same} of {} drawn alike",
        first.len()
    );
}

#[test]
fn the_second_segment_has_its_type() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = write_corpus(dir.path());
    let tokenizer = vocabulary(&corpus);
    let options = PrepareOptions {
        corpus,
        out: dir.path().join("shards"),
        max_length: 32,
        packing: Packing::Electra,
        ..PrepareOptions::default()
    };
    prepare(&tokenizer, &options, &|_| {}).unwrap();
    let set = Arc::new(ShardSet::open(&options.out).unwrap());
    let source = BatchSource::new(set, Split::Train, 7, 200).unwrap();
    let batch = source.batch(0).unwrap();
    let mut pairs = 0;
    for (row, &length) in batch.lengths.iter().enumerate() {
        let of = |all: &[u32]| all[row * 32..][..32].to_vec();
        let (ids, types) = (of(&batch.input_ids), of(&batch.token_type_ids));
        let first = ids
            .iter()
            .position(|&id| id == tokenizer.special().sep)
            .unwrap()
            + 1;
        assert!(types[..first].iter().all(|&kind| kind == 0), "row {row}");
        assert!(
            types[first..length].iter().all(|&kind| kind == 1),
            "row {row}"
        );
        assert!(types[length..].iter().all(|&kind| kind == 0), "row {row}");
        pairs += usize::from(first < length);
    }
    assert!(pairs > 100, "{pairs} of 200 are pairs");
}
