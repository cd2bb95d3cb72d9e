//! What the corpus finds and how it scores it.

use proptest::prelude::*;

use super::*;

fn name(raw: &str) -> ProjectName {
    ProjectName::pypi(raw).unwrap()
}

fn pypi() -> &'static Corpus {
    static CORPUS: std::sync::LazyLock<Corpus> = std::sync::LazyLock::new(|| Corpus::embedded(Ecosystem::Pypi));
    &CORPUS
}

fn of(popular: &[&str], internal: &[&str]) -> Corpus {
    let internal: Vec<String> = internal.iter().map(|&name| name.to_owned()).collect();
    Corpus::build(Ecosystem::Pypi, popular.iter().copied(), &internal)
}

fn best(corpus: &Corpus, raw: &str) -> Neighbour {
    corpus.neighbours(&name(raw)).into_iter().next().unwrap_or_else(|| panic!("{raw} has no neighbour"))
}

#[test]
fn the_shipped_list_is_a_list_of_normalised_names_without_repetition() {
    let corpus = pypi();
    let packages: Vec<_> = corpus.names.iter().filter(|known| known.is_package()).collect();
    assert!(packages.len() > 14_000);
    assert_eq!(packages.len(), lists::shipped(Ecosystem::Pypi).count());
    assert!(packages.iter().zip(lists::shipped(Ecosystem::Pypi)).all(|(known, line)| *known.name == *line));
    let listed: Vec<_> = lists::also_known(Ecosystem::Pypi).collect();
    assert_eq!(corpus.names.len() - packages.len(), listed.len(), "no name is in both lists, or twice");
    assert!(listed.iter().all(|(name, _)| ProjectName::pypi(name).unwrap().as_str() == *name));
    assert_eq!(corpus.rank(&name("boto3")), Some(1));
    assert_eq!(corpus.rank(&name("no-such-project-anywhere")), None);
    assert_eq!(corpus.rank(&name("cv2")), None, "what is imported is no package");
    assert_eq!(corpus.digest(), Corpus::embedded(Ecosystem::Pypi).digest());
}

#[test]
fn each_ecosystem_has_its_own_list_and_its_own_idea_of_the_same_name() {
    let corpora = Corpora::embedded();
    let cpan = corpora.of(Ecosystem::Cpan);
    assert!(cpan.names.len() > 4_000);
    let perl = |raw: &str| ProjectName::parse(Ecosystem::Cpan, raw).unwrap();
    assert_eq!(cpan.rank(&perl("Try::Tiny")), cpan.rank(&perl("Try-Tiny")));
    assert!(cpan.rank(&perl("Try-Tiny")).is_some_and(|rank| rank < 100));
    let neighbour = &cpan.neighbours(&perl("TryTiny"))[0];
    assert_eq!((neighbour.target.as_str(), neighbour.kind), ("Try-Tiny", Confusion::Separator));
    let tcl = corpora.of(Ecosystem::Teapot);
    assert!(tcl.rank(&ProjectName::parse(Ecosystem::Teapot, "struct::list").unwrap()).is_some());
    assert_eq!(corpora.digest(), Corpora::embedded().digest());
    assert_ne!(cpan.digest(), tcl.digest());
}

#[test]
fn each_kind_of_confusion_is_told_apart() {
    for (asked, target, kind) in [
        ("cv2", "cv2", Confusion::Namesake),
        ("pythondateutil", "python-dateutil", Confusion::Separator),
        ("c0lorama", "colorama", Confusion::Homoglyph),
        ("reqeusts", "requests", Confusion::Transposition),
        ("requestss", "requests", Confusion::Edit),
        ("matplobblib", "matplotlib", Confusion::Edits),
        ("client-prometheus", "prometheus-client", Confusion::WordOrder),
        ("python-uvicorn", "uvicorn", Confusion::Affix),
        ("colorama-toolbox", "colorama", Confusion::Combo),
        ("coloramatoolbox", "colorama", Confusion::Combo),
    ] {
        let neighbour = best(pypi(), asked);
        assert_eq!((neighbour.target.as_str(), neighbour.kind), (target, kind), "{asked}");
        assert!(neighbour.sentence().contains(target), "{}", neighbour.sentence());
    }
}

#[test]
fn deceptions_score_high_and_natural_neighbours_low() {
    let score = |raw: &str| pypi().neighbours(&name(raw)).first().map_or(0.0, |neighbour| neighbour.score);
    for deceptive in ["reqeusts", "requestss", "nunpy", "matplotllib", "tensorfiow"] {
        assert!(score(deceptive) > 0.5, "{deceptive} {}", score(deceptive));
    }
    for natural in ["qbx", "django-toolbox", "my-own-project", "xyz", "pytest-plugin-for-us"] {
        assert!(score(natural) < 0.3, "{natural} {}", score(natural));
    }
}

#[test]
fn a_score_is_the_sum_of_what_it_says_it_is_made_of() {
    let neighbour = best(pypi(), "reqeusts");
    let sum: f64 = neighbour.signs.values().sum();
    assert!((neighbour.score - 1.0 / (1.0 + (-sum).exp())).abs() < 1e-9);
    assert!(neighbour.signs.contains_key("transposition") && neighbour.signs.contains_key("length"));
}

#[test]
fn a_slip_weighs_more_if_it_sounds_strange_and_if_many_build_upon_the_name() {
    // A word that others have too, and one that nobody has.
    let known = ["carton", "cartel", "martel", "cartels", "barton-db"];
    let (heard, strange) = (best(&of(&known, &[]), "carten"), best(&of(&known, &[]), "cartqn"));
    assert_eq!((&*heard.target, &*strange.target), ("carton", "carton"));
    assert!(strange.signs["unheard"] > heard.signs.get("unheard").copied().unwrap_or_default());
    // The same name with plugins and without.
    let alone = best(&of(&["lanternfish"], &[]), "lanternfihs");
    let sought = best(&of(&["lanternfish", "lanternfish-web", "my-lanternfish"], &[]), "lanternfihs");
    assert!(!alone.signs.contains_key("sought") && sought.signs["sought"] > 0.0);
    let many: Vec<String> = (0..300).map(|number| format!("lanternfish-{number}")).collect();
    let names: Vec<&str> = std::iter::once("lanternfish").chain(many.iter().map(String::as_str)).collect();
    let most = Weights::read("[sign]\nsought = 1.0\n", "test").unwrap();
    let corpus = Corpus::with_own(Ecosystem::Pypi, names, &OwnNames::default(), most);
    assert!((best(&corpus, "lanternfihs").signs["sought"] - 2.0).abs() < 1e-9, "more than a hundred say no more");
}

#[test]
fn a_syllable_grown_together_with_a_known_name_is_less_than_a_word_beside_it() {
    let corpus = of(&["lanternfish"], &[]);
    let (grown, beside) = (best(&corpus, "pylanternfish"), best(&corpus, "py-lanternfish"));
    assert_eq!((grown.kind, beside.kind), (Confusion::Affix, Confusion::Affix));
    assert!(grown.signs["grown"] < 0.0 && !beside.signs.contains_key("grown"));
    let slip = best(&of(&["pycarton"], &[]), "pycartno");
    assert!(!slip.signs.contains_key("grown"), "that is how the known name begins");
}

#[test]
fn no_combination_asks_a_person_alone() {
    // The best known, a long one, to which nobody else adds anything.
    let corpus = of(&["lanternfishes", "carton"], &[]);
    let combo = best(&corpus, "lanternfishes-carton");
    assert_eq!((combo.kind, &*combo.target), (Confusion::Combo, "lanternfishes"));
    assert!((0.3..0.7).contains(&combo.score), "{}", combo.score);
}

#[test]
fn a_name_is_not_its_own_neighbour() {
    assert!(pypi().neighbours(&name("requests")).iter().all(|neighbour| neighbour.target != "requests"));
    let above = pypi().neighbours_above(&name("requests"), 1);
    assert_eq!(above, [], "nothing is above the first");
}

#[test]
fn internal_names_count_as_the_most_popular() {
    let corpus = of(&["boto3", "six", "acme-billings"], &["Acme_Billing", "acme-*", "six"]);
    assert_eq!(corpus.rank(&name("six")), Some(1));
    let neighbour = best(&corpus, "acmebilling");
    assert!(neighbour.internal);
    assert_eq!((neighbour.rank, neighbour.kind), (1, Confusion::Separator));
    let both: Vec<_> = corpus.neighbours(&name("acme-billingz")).into_iter().map(|found| found.rank).collect();
    assert_eq!(both, [1, 3], "the internal one first");
    assert_ne!(corpus.digest(), of(&["boto3", "six", "acme-billings"], &[]).digest());
}

#[test]
fn what_this_site_uses_is_worth_imitating_too() {
    let own = OwnNames { internal: Vec::new(), used: vec!["zugspitze".to_owned(), "boto3".to_owned()] };
    let corpus = Corpus::with_own(Ecosystem::Pypi, ["requests", "boto3"], &own, Weights::default());
    assert_eq!(corpus.rank(&name("boto3")), Some(1));
    let neighbour = best(&corpus, "zugspitzze");
    assert_eq!((neighbour.rank, &neighbour.renown, neighbour.internal), (1, &Renown::Used, false));
    assert!(neighbour.score > 0.7 && neighbour.sentence().contains("used here"), "{}", neighbour.sentence());
}

#[test]
fn a_rarer_target_never_scores_higher() {
    let filler: Vec<String> = (0..6_000).map(|number| format!("{number}{number}{number}")).collect();
    let mut before = f64::INFINITY;
    for place in [0, 9, 50, 400, 900, 3_000, 6_000] {
        let mut popular: Vec<&str> = filler.iter().map(String::as_str).collect();
        popular.insert(place, "requests");
        let score = best(&of(&popular, &[]), "requestss").score;
        assert!(score <= before, "{place}: {score} after {before}");
        before = score;
    }
}

#[test]
fn popular_names_rarely_look_like_slips_of_more_popular_ones() {
    let scores: Vec<f64> = (1..)
        .zip(lists::shipped(Ecosystem::Pypi))
        .step_by(3)
        .map(|(rank, popular)| {
            let found = pypi().neighbours_above(&name(popular), rank);
            let likely = found.iter().filter(|neighbour| neighbour.kind != Confusion::Combo);
            likely.map(|neighbour| neighbour.score).fold(0.0, f64::max)
        })
        .collect();
    let above = |threshold: f64| scores.iter().filter(|score| **score >= threshold).count();
    // They are all good names, and each is compared with up to 15,000 others: more than new names would be.
    assert!(above(0.7) * 100 <= scores.len(), "{} of {}", above(0.7), scores.len());
    assert!(above(0.3) * 100 <= scores.len() * 5, "{} of {}", above(0.3), scores.len());
}

#[test]
fn twenty_thousand_look_ups_stay_bounded() {
    let mut seed = 1_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for turn in 0..20_000 {
        let alphabet = b"abcdefghijklmnopqrstuvwxyz0123456789";
        // Every hundredth is as long as a name may be.
        let length = if turn % 100 == 0 { 200 } else { 1 + random(20) };
        let text: String = (0..length).map(|_| char::from(alphabet[random(alphabet.len())])).collect();
        let text = name(&text);
        let neighbours = pypi().neighbours(&text);
        assert!(neighbours.len() <= MOST_NEIGHBOURS);
        assert!(neighbours.iter().all(|found| (0.0..=1.0).contains(&found.score)));
        assert!(neighbours.iter().all(|found| found.kind == Confusion::Namesake || found.target != text.as_str()));
    }
}

#[test]
fn the_built_in_weights_name_every_kind_and_sign() {
    let text = include_str!("../../policies/names/weights.toml");
    let table: toml::Table = text.parse().unwrap();
    for kind in Confusion::ALL {
        assert!(table["kind"].get(kind.as_str()).is_some(), "{}", kind.as_str());
    }
    for sign in Sign::ALL {
        assert!(table["sign"].get(sign.as_str()).is_some(), "{}", sign.as_str());
    }
    assert_eq!(Weights::read(text, "again").unwrap(), Weights::default());
}

#[test]
fn a_silly_weight_is_refused_with_the_line() {
    let refused = |text: &str| Weights::read(text, "weights.toml").unwrap_err().to_string();
    assert_eq!(
        refused("[sign]\nlength = 1.0\nfirst-letter = 2.0\n"),
        "weights.toml:3: sign.first-letter: it speaks against a deception: write 0 or less"
    );
    assert!(refused("[sign]\nlength = -1.0\n").starts_with("weights.toml:2: sign.length: it speaks for a deception"));
    assert!(refused("[kind]\n\nedit = 1000.0\n").starts_with("weights.toml:3: kind.edit: a weight is a number from"));
    assert!(refused("[kind]\nedit = nan\n").starts_with("weights.toml:2: kind.edit: a weight is"));
    assert!(refused("[sign]\nlenght = 1.0\n").starts_with("weights.toml:2: sign.lenght: there is no such sign"));
    assert!(refused("[sign]\nlength = \"much\"\n").starts_with("weights.toml:2: "));
    assert!(refused("[kinds]\n").starts_with("weights.toml:1: "));
}

#[test]
fn weights_of_a_site_overlay_the_built_in_ones() {
    let own = Weights::read("[kind]\nedit = -9.0\n", "own").unwrap();
    assert_ne!(own.digest(), Weights::default().digest());
    let corpus = Corpus::with_own(Ecosystem::Pypi, ["requests"], &OwnNames::default(), own);
    assert!(best(&corpus, "requestss").score < best(&of(&["requests"], &[]), "requestss").score);
    assert_ne!(corpus.digest(), of(&["requests"], &[]).digest(), "other weights, another corpus");
}

#[test]
fn a_refreshed_list_is_read_and_checked() {
    let many: Vec<String> = (0..FEWEST_NAMES).map(|number| format!("Name_{number}\n")).collect();
    let many = many.concat();
    let names = read_list(Ecosystem::Pypi, &format!("# a comment\n\n{many}name-1\n"), "list").unwrap();
    assert_eq!(names.len(), FEWEST_NAMES);
    assert_eq!(names[1], "name-1");
    let refused = |text: &str| read_list(Ecosystem::Pypi, text, "list").unwrap_err().to_string();
    assert!(refused("six\n").starts_with("list:1: a list has at least 100 names, this one 1"));
    assert!(refused(&format!("{many}<html>\n")).starts_with("list:101: "));
    let perl = read_list(Ecosystem::Cpan, &format!("{many}<a href>\n"), "list").unwrap_err();
    assert!(perl.to_string().starts_with("list:101: write one name a line"));
}

fn any_signs() -> impl Strategy<Value = (usize, Vec<(usize, f64)>)> {
    let amount = prop_oneof![0.0..4.0_f64, Just(f64::NAN), Just(f64::INFINITY), -1.0..0.0_f64];
    (0..Confusion::ALL.len(), proptest::collection::vec((0..Sign::ALL.len(), amount), 0..12))
}

fn signs_of(kind: usize, seen: &[(usize, f64)]) -> Signs {
    let mut signs = Signs::new(Confusion::ALL[kind]);
    for (sign, amount) in seen {
        signs.see(Sign::ALL[*sign], *amount);
    }
    signs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_score_is_a_probability_whatever_is_seen((kind, seen) in any_signs()) {
        let score = Weights::default().score(&signs_of(kind, &seen));
        prop_assert!((0.0..=1.0).contains(&score));
    }

    #[test]
    fn the_order_of_signs_makes_no_difference((kind, seen) in any_signs()) {
        // Of one sign twice, the sum would depend on the order in its last bit.
        let mut once: Vec<(usize, f64)> = Vec::new();
        for (sign, amount) in seen {
            if !once.iter().any(|(known, _)| *known == sign) {
                once.push((sign, amount));
            }
        }
        let forwards = Weights::default().score(&signs_of(kind, &once));
        once.reverse();
        let backwards = Weights::default().score(&signs_of(kind, &once));
        prop_assert_eq!(forwards.to_bits(), backwards.to_bits());
    }

    #[test]
    fn more_of_a_sign_moves_the_score_the_way_it_speaks((kind, seen) in any_signs(), sign in 0..Sign::ALL.len(), more in 0.0..4.0_f64) {
        let weights = Weights::default();
        let mut signs = signs_of(kind, &seen);
        let before = weights.score(&signs);
        signs.see(Sign::ALL[sign], more);
        let after = weights.score(&signs);
        match Sign::ALL[sign].speaks() {
            Speaks::For => prop_assert!(after >= before),
            Speaks::Against => prop_assert!(after <= before),
        }
    }

    #[test]
    fn the_index_finds_what_a_scan_would(
        popular in proptest::collection::vec("[ab]{1,8}(-[ab]{1,3})?", 1..20), asked in "[ab]{1,8}(-[ab]{1,3})?"
    ) {
        let corpus = of(&popular.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        let letters = letters(&asked);
        let asked = Asked { folded: &asked, letters: &letters };
        let mut found: Vec<usize> = corpus.likenesses(&asked, u32::MAX).into_iter().map(|(id, _, _)| id).collect();
        found.sort_unstable();
        let scanned: Vec<usize> = (0..corpus.names.len())
            .filter(|id| {
                let known = &corpus.names[*id];
                let near = edits::between(&known.letters, &letters, known.most_edits()).is_some();
                let core = stripped(Ecosystem::Pypi, &known.name);
                let same = sorted_words(&known.name) == sorted_words(asked.folded)
                    || core == stripped(Ecosystem::Pypi, asked.folded) && core.len() >= SHORTEST_CORE;
                *known.name != *asked.folded && (near || same)
            })
            .collect();
        prop_assert_eq!(found, scanned);
    }
}
