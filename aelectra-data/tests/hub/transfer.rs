//! One file on its way: checked, resumed, fetched once.

use super::*;

#[test]
fn a_wrong_size_is_refused() {
    let (server, cache, options) = setup();
    for announced in [7, weights().len() as u64 + 5] {
        let fault = Fault {
            announced: Some(announced),
            ..Fault::default()
        };
        server.fault("model.safetensors", fault);
        match failure(MODEL, &options).0 {
            HubError::WrongSize {
                file,
                expected,
                got,
                ..
            } => {
                assert_eq!((file.as_str(), expected), ("model.safetensors", announced));
                assert_eq!(got, weights().len() as u64);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(
        names(&repo(&cache).join("blobs")).len(),
        3,
        "a damaged file was kept"
    );
    server.fault("model.safetensors", Fault::default());
    resolve(MODEL, &options).unwrap();
}

#[test]
fn a_wrong_checksum_is_refused() {
    let (server, cache, options) = setup();
    let mut flipped = weights();
    flipped[1000] ^= 1;
    let fault = Fault {
        body: Some(flipped.clone()),
        ..Fault::default()
    };
    server.fault("model.safetensors", fault);
    match failure(MODEL, &options).0 {
        HubError::WrongChecksum { expected, got, .. } => {
            assert_eq!((expected, got), (sha256(&weights()), sha256(&flipped)));
        }
        other => panic!("{other}"),
    }
    let dir = repo(&cache).join("snapshots").join(COMMIT);
    assert!(!dir.join("model.safetensors").exists());
    assert_eq!(
        names(&repo(&cache).join("blobs")).len(),
        3,
        "a damaged file was kept"
    );
    assert!(
        !repo(&cache).join("refs/main").exists(),
        "an unfinished model got a name"
    );
}

#[test]
fn an_etag_that_is_no_checksum_is_only_a_name() {
    let (server, cache, options) = setup();
    let fault = Fault {
        etag: Some("0a".repeat(20)),
        ..Fault::default()
    };
    server.fault("config.json", fault);
    resolve(MODEL, &options).unwrap();
    assert!(repo(&cache).join("blobs").join("0a".repeat(20)).is_file());
}

#[test]
fn an_interrupted_transfer_goes_on_where_it_stopped() {
    let (server, cache, mut options) = setup();
    let cut = |times| Fault {
        cut: Some((300_000, times)),
        ..Fault::default()
    };
    server.fault("model.safetensors", cut(2));
    options.attempts = 2;
    let (error, text) = failure(MODEL, &options);
    let kept = match error {
        HubError::Interrupted {
            got,
            expected,
            attempts: 2,
            ..
        } => {
            assert_eq!(expected, weights().len() as u64);
            got
        }
        other => panic!("{other}"),
    };
    assert_eq!(kept, 600_000, "{text}");
    let incomplete = format!("{}.incomplete", sha256(&weights()));
    let incomplete = repo(&cache).join("blobs").join(incomplete);
    assert_eq!(fs::metadata(&incomplete).unwrap().len(), kept);

    let seen = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&seen);
    let options = options.with_progress(move |progress| {
        if progress.file == "model.safetensors" {
            shared.lock().unwrap().push((progress.done, progress.total));
        }
    });
    let dir = resolve(MODEL, &options).unwrap();
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights());
    assert!(!incomplete.exists());
    let ranges: Vec<_> = server
        .gets("model.safetensors")
        .iter()
        .map(|request| request.header("range").map(str::to_owned))
        .collect();
    let range = |from: &str| Some(format!("bytes={from}-"));
    assert_eq!(ranges, [None, range("300000"), range("600000")]);
    let (seen, total) = (seen.lock().unwrap(), weights().len() as u64);
    assert_eq!(
        (seen[0], *seen.last().unwrap()),
        ((kept, total), (total, total))
    );
    assert!(seen.is_sorted());
}

#[test]
fn a_server_that_cannot_resume_or_is_busy_is_borne_with() {
    let (server, _cache, options) = setup();
    let fault = Fault {
        cut: Some((1000, 1)),
        busy: 1,
        no_resume: true,
        ..Fault::default()
    };
    server.fault("model.safetensors", fault);
    let dir = resolve(MODEL, &options).unwrap();
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights());
    assert_eq!(server.gets("model.safetensors").len(), 3);
}

#[test]
fn a_spoilt_remainder_is_thrown_away() {
    let (server, cache, options) = setup();
    let blobs = repo(&cache).join("blobs");
    fs::create_dir_all(&blobs).unwrap();
    let incomplete = blobs.join(format!("{}.incomplete", sha256(&weights())));
    for spoilt in [
        vec![9; 1000],
        vec![9; weights().len()],
        vec![9; weights().len() + 1],
    ] {
        fs::write(&incomplete, spoilt).unwrap();
        let dir = resolve(MODEL, &options).unwrap();
        assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights());
        fs::remove_file(blobs.join(sha256(&weights()))).unwrap();
    }
    assert!(!server.gets("model.safetensors").is_empty());
}

#[test]
fn two_at_once_share_one_transfer() {
    let (server, cache, options) = setup();
    let dirs: Vec<_> = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| resolve(MODEL, &options).unwrap()))
            .collect();
        tasks.into_iter().map(|task| task.join().unwrap()).collect()
    });
    assert!(dirs.iter().all(|dir| dir == &dirs[0]));
    assert_eq!(
        fs::read(dirs[0].join("model.safetensors")).unwrap(),
        weights()
    );
    assert_eq!(server.gets("model.safetensors").len(), 1);
    let blobs = names(&repo(&cache).join("blobs"));
    assert_eq!(blobs.len(), model_files().len(), "leftovers: {blobs:?}");
    assert_eq!(names(&dirs[0]).len(), model_files().len());
}
