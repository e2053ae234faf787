//! What a server may not do: see a token that is not for it, or name files elsewhere.

use super::*;

#[test]
fn a_gated_model_asks_for_a_token() {
    let (server, _cache, mut options) = setup();
    server.require("hf_right");
    let (error, _) = failure(MODEL, &options);
    assert!(
        matches!(
            error,
            HubError::Denied {
                status: 401,
                with_token: false,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("HF_TOKEN"));

    options.token = Some("hf_wrong".to_owned());
    let (error, text) = failure(MODEL, &options);
    assert!(
        matches!(
            error,
            HubError::Denied {
                with_token: true,
                ..
            }
        ),
        "{error}"
    );
    assert!(!text.contains("hf_wrong"), "the token is in the message");

    let file = TempDir::new().unwrap();
    fs::write(file.path().join("token"), "hf_right\n").unwrap();
    options.token = None;
    options.token_file = Some(file.path().join("token"));
    resolve(MODEL, &options).unwrap();
}

#[test]
fn the_token_stays_with_the_endpoint() {
    let (server, _cache, mut options) = setup();
    let storage = Server::with_model();
    server.require("hf_right");
    options.token = Some("hf_right".to_owned());
    let elsewhere = Some(storage.url());
    server.fault(
        "model.safetensors",
        Fault {
            elsewhere,
            ..Fault::default()
        },
    );
    let dir = resolve(MODEL, &options).unwrap();
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights());

    let there = storage.log();
    assert_eq!(
        there.len(),
        1,
        "the hub's own headers describe the file: {there:?}"
    );
    assert_eq!(there[0].method, "GET");
    assert_eq!(there[0].header("authorization"), None);
    assert!(
        server
            .log()
            .iter()
            .all(|r| r.header("authorization") == Some("Bearer hf_right"))
    );
}

#[test]
fn redirects_back_and_in_circles() {
    let (server, _cache, mut options) = setup();
    let middle = Server::with_model();
    server.require("hf_right");
    options.token = Some("hf_right".to_owned());
    // Away and back: the way back is a foreign host's doing, so it gets no token.
    let to = |url: String| Fault {
        elsewhere: Some(url),
        ..Fault::default()
    };
    server.fault("model.safetensors", to(middle.url()));
    middle.fault("model.safetensors", to(server.url()));
    let (error, _) = failure(MODEL, &options);
    assert!(matches!(error, HubError::Denied { .. }), "{error}");
    // To itself, for ever.
    server.fault("model.safetensors", to(server.url()));
    let (error, text) = failure(MODEL, &options);
    assert!(
        matches!(error, HubError::Server { .. }) && text.contains("redirects"),
        "{text}"
    );
}

#[test]
fn an_index_cannot_name_files_outside() {
    let (server, cache, options) = setup();
    server.remove("model.safetensors");
    for outside in ["../../../escaped", "/etc/passwd", "a\\\\b", "", ".."] {
        let index = format!(r#"{{"weight_map": {{"a": "{outside}"}}}}"#);
        server.put(COMMIT, "model.safetensors.index.json", index.as_bytes());
        let before = server.log().len();
        let error = resolve(MODEL, &options).unwrap_err();
        assert!(
            matches!(error, HubError::Data(DataError::Parse { .. })),
            "{outside}: {error}"
        );
        assert!(
            server.log()[before..]
                .iter()
                .all(|r| !r.path.contains(".."))
        );
        fs::remove_dir_all(repo(&cache)).unwrap();
    }
}

#[test]
fn headers_cannot_name_files_outside() {
    let (server, cache, options) = setup();
    for etag in ["../../escaped", "a/b", "", ".."] {
        let fault = Fault {
            etag: Some(etag.to_owned()),
            ..Fault::default()
        };
        server.fault("config.json", fault);
        let (error, text) = failure(MODEL, &options);
        assert!(
            matches!(error, HubError::Server { .. }) && text.contains("etag"),
            "{text}"
        );
    }
    assert!(names(cache.path()).is_empty());
}
