//! Lock files never read our index: the file gate is the boundary.

use super::{Client, Workshop};
use crate::common::test_house::TestHouse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_uv_lock_that_names_a_held_file_is_refused() {
    let house = TestHouse::furnish().policy("mode = \"observe\"\n").start().await;
    house.pypi.publish("quaymaster", "2.0").wheel();
    let workshop = Workshop::new(&house.index_url()).await;
    workshop.project("\"quaymaster\"");
    // The lock was made while holds were not enforced.
    workshop.uv(&["--no-cache", "lock"]).await.expect_success("uv lock");
    house.set_policy("");

    let said = workshop.uv(&["--no-cache", "sync", "--frozen"]).await.expect_failure("uv sync --frozen");
    insta::assert_snapshot!(said, @r"
    Creating virtual environment at: .venv
    error: Failed to download `quaymaster==2.0`
      cause: Failed to fetch: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
      cause: Server message: Quarantined, quaymaster 2.0 is held until 2026-11-25 12:00 UTC; see http://127.0.0.1:PORT/uploads/ID
      cause: HTTP status client error (403 quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID) for url (http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl)

    hint: `quaymaster` (v2.0) was included because `app` (v0.1) depends on `quaymaster`
    ");
    workshop.uv(&["--no-cache", "sync"]).await.expect_failure("uv sync");
    assert!(workshop.installed(Client::Poetry, "quaymaster").is_none());

    house.approve("pypi:quaymaster==2.0").await;
    workshop.uv(&["--no-cache", "sync", "--frozen"]).await.expect_success("uv sync after an approval");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_uv_lock_is_not_written_for_a_held_version() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.pypi.publish("quaymaster", "2.0").wheel();
    let workshop = Workshop::new(&house.index_url()).await;
    workshop.project("\"quaymaster==2.0\"");
    let said = workshop.uv(&["lock"]).await.expect_failure("uv lock");
    insta::assert_snapshot!(said, @r"
    error: Failed to fetch: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
      cause: Server message: Quarantined, quaymaster 2.0 is held until 2026-11-25 12:00 UTC; see http://127.0.0.1:PORT/uploads/ID
      cause: HTTP status client error (403 quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID) for url (http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl)
    ");
    workshop.project("\"quaymaster\"");
    workshop.uv(&["sync"]).await.expect_success("uv sync");
    assert_eq!(workshop.installed(Client::Poetry, "quaymaster").as_deref(), Some("1.0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pylock_that_names_a_held_file_is_refused_even_by_an_empty_store() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    let workshop = Workshop::new(&house.index_url()).await;
    let url = format!("{}{}", house.packages(), TestHouse::file_path("quaymaster", &held));
    let lock = format!(
        "lock-version = \"1.0\"\ncreated-by = \"tests\"\n\n[[packages]]\nname = \"quaymaster\"\nversion = \"2.0\"\n\n\
         [[packages.wheels]]\nname = \"{}\"\nurl = \"{url}\"\nhashes = {{ sha256 = \"{}\" }}\n",
        held.filename,
        held.sha256()
    );
    workshop.write("pylock.toml", &lock);
    let said = workshop.install(Client::PipNew, &["-r", "pylock.toml"]).await.expect_failure("pip");
    insta::assert_snapshot!(said, @r"
    WARNING: Using pylock.toml as a requirements source is an experimental feature. It may be removed/changed in a future release without prior warning.
      ERROR: HTTP error 403 while getting http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from pylock.toml)
    ERROR: Could not install requirement quaymaster==2.0 from http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from pylock.toml) because of HTTP error 403 Client Error: quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID for url: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl for URL http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from pylock.toml)
    ");
    let python = workshop.path("venv/bin/python").display().to_string();
    let said = workshop.uv(&["pip", "sync", "--python", &python, "pylock.toml"]).await.expect_failure("uv");
    insta::assert_snapshot!(said, @r"
    warning: The `--pylock` option is experimental and may change without warning. Pass `--preview-features pylock` to disable this warning.
    error: Failed to download `quaymaster==2.0`
      cause: Failed to fetch: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
      cause: Server message: Quarantined, quaymaster 2.0 is held until 2026-11-25 12:00 UTC; see http://127.0.0.1:PORT/uploads/ID
      cause: HTTP status client error (403 quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID) for url (http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl)
    ");

    house.approve(&held.filename).await;
    workshop.install(Client::PipNew, &["-r", "pylock.toml"]).await.expect_success("pip after an approval");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poetry_lock_that_names_a_held_file_is_refused() {
    let house = TestHouse::furnish().policy("mode = \"observe\"\n").start().await;
    house.pypi.publish("quaymaster", "2.0").wheel();
    let workshop = Workshop::new(&house.index_url()).await;
    workshop.project("\"quaymaster\"");
    workshop.poetry(&["lock"]).await.expect_success("poetry lock");
    house.set_policy("");
    let said = workshop.poetry(&["install"]).await.expect_failure("poetry install");
    assert!(said.contains("quaymaster 2.0 held until 2026-11-25 12:00 UTC"), "{said}");
}
