//! Times that cannot be right: of uploads, and of the clock itself.

use crate::common::clock::{DAY, HOUR};
use crate::common::test_house::TestHouse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_time_in_the_future_or_missing_counts_as_first_sight() {
    type Date = fn(crate::common::publication::Publication<'_>, &TestHouse) -> crate::common::wheels::Built;
    let rows: [(&str, Date); 3] = [
        ("in ten years", |release, house| release.at(house.clock.true_time() + DAY * 3_650).wheel()),
        ("in an hour", |release, house| release.at(house.clock.true_time() + HOUR).wheel()),
        ("never", |release, _| release.undated().wheel()),
    ];
    for (when, publish) in rows {
        let house = TestHouse::start().await;
        let old = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
        house.page("quaymaster").await;
        let young = publish(house.pypi.publish("quaymaster", "1.1"), &house);
        house.pages_expire().await;
        let page = house.page("quaymaster").await;
        assert_eq!(page.len(), 2, "{when}: {page:?}");
        // Three days from now, or a week where the date itself is a finding.
        assert!(page[1].contains("lazaret: held until 2026-11-2"), "{when}: {page:?}");
        assert_eq!(house.get_file("quaymaster", &young).await.status, 403, "{when}");
        assert_eq!(house.get_file("quaymaster", &old).await.status, 200, "{when}");
        house.pass(DAY * 8).await;
        house.page("quaymaster").await;
        assert_eq!(house.get_file("quaymaster", &young).await.status, 200, "{when}: and no longer");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_stepped_back_keeps_what_was_let_in_and_lets_nothing_in() {
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let young = house.pypi.publish("quaymaster", "1.1").wheel();
    let page = house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &old).await.status, 200);

    house.clock.step_wall_back(DAY * 7);
    assert_eq!(house.page("quaymaster").await, page);
    assert_eq!(house.get_file("quaymaster", &old).await.status, 200);
    let ready = house.get("/readyz").await;
    assert!(ready.status == 200 && ready.text().contains("the wall clock"), "{}", ready.text());
    // By the wrong clock the hold is over after ten days, and nothing happens then.
    house.pass(DAY * 10 + HOUR).await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &young).await.status, 403);

    house.clock.step_wall(DAY * 7);
    house.pass(HOUR).await;
    house.page("quaymaster").await;
    assert!(!house.get("/readyz").await.text().contains("the wall clock"));
    assert_eq!(house.get_file("quaymaster", &young).await.status, 200, "the clock is right again");
}
