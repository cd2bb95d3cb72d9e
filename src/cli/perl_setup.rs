//! `client-setup` for Perl's clients: one mirror for four of them, each with its own ways around it.

use url::Url;

use super::client_setup::Setup;

/// What all of them ask when they are not told otherwise.
const PUBLIC_HOSTS: &str =
    "cpan.org, *.cpan.org, *.metacpan.org, cpanmetadb.plackperl.org, backpan.perl.org and backpan.cpantesters.org";

/// cpanm: `--from` is `--mirror` and `--mirror-only` in one; with `--mirror` alone the public index decides.
pub(super) fn cpanm(mirror: &str) -> Setup {
    Setup {
        commands: vec![
            format!("export PERL_CPANM_OPT=\"--from {mirror}\""),
            "# a pinned version (Foo@1.2, Foo~<2) is not in an index; for one run:".to_owned(),
            format!("# PERL_CPANM_OPT= cpanm --cpanmetadb {mirror}/v1.0/ --mirror {mirror} Foo@1.2"),
        ],
        warnings: vec![
            "cpanm without --from asks the public index: with --mirror alone it fails here on what is held, without any it goes around this"
                .to_owned(),
            "for a pin of an older version cpanm asks http://backpan.perl.org before it asks here".to_owned(),
            "cpanm with a URL, a git address or a file installs from there".to_owned(),
            "cpanm started twice within one second reads the index of the first run again".to_owned(),
        ],
    }
}

/// cpan: `pushy_https` is on by default and ignores `urllist`.
pub(super) fn cpan(mirror: &str) -> Setup {
    Setup {
        commands: vec![cpan_shell(&["o conf pushy_https 0", &format!("o conf urllist {mirror}"), "o conf commit", "reload index"])],
        warnings: vec![
            "with pushy_https, its default, cpan ignores urllist and fetches from https://cpan.org: keep it 0, for root too".to_owned(),
            "cpan reads the index once a day: what is released here meanwhile shows after `reload index`".to_owned(),
        ],
    }
}

/// cpan, back to its own defaults.
pub(super) fn undo_cpan() -> Setup {
    let lines = ["o conf pushy_https 1", "o conf urllist https://cpan.org/", "o conf commit"];
    Setup {
        commands: vec![
            cpan_shell(&lines),
            "# in the place of https://cpan.org/, the mirror that you had before".to_owned(),
        ],
        warnings: Vec::new(),
    }
}

/// cpm: has no setting that lasts.
pub(super) fn cpm(mirror: &str) -> Setup {
    Setup {
        commands: vec![
            format!("cpm install --no-default-resolvers --resolver metadb,{mirror}/v1.0/,{mirror}"),
            "# or by the index alone, without pins:".to_owned(),
            format!("# cpm install --no-default-resolvers --resolver 02packages,{mirror}"),
        ],
        warnings: vec![
            "cpm keeps no settings: each run without --no-default-resolvers asks the public index service".to_owned(),
            "`git`, `url`, `dist` and `mirror` in a cpanfile, and URLs on the command line, bypass this".to_owned(),
        ],
    }
}

/// carton: keeps public mirrors behind whatever it is told.
pub(super) fn carton(mirror: &str) -> Setup {
    Setup {
        commands: vec![format!("export PERL_CARTON_MIRROR={mirror}")],
        warnings: vec![
            "carton always adds http://cpan.metacpan.org and http://backpan.perl.org: what is refused here it tries there"
                .to_owned(),
            "cpanfile.snapshot names files, held ones too: carton install --deployment gets a 403 for those".to_owned(),
            "`dist`, `url` and `git` in a cpanfile bypass this".to_owned(),
        ],
    }
}

/// What closes the holes that no setting closes.
pub(super) fn outer_fence(base: &Url, forward_proxy: bool) -> (Vec<String>, Vec<String>) {
    let base = base.as_str().trim_end_matches('/');
    let mut commands = Vec::new();
    let mut warnings =
        vec![format!("only the firewall makes the hold more than advice: let nobody but lazaret reach {PUBLIC_HOSTS}")];
    if forward_proxy {
        commands.push("# what these clients ask over http elsewhere is answered here too:".to_owned());
        commands.push(format!("export http_proxy={base}"));
        warnings.push(
            "http_proxy catches http addresses only: a mirror with https in its address goes around it".to_owned(),
        );
    }
    (commands, warnings)
}

/// Without a configuration of its own, cpan asks questions first; it takes its own answers.
fn cpan_shell(lines: &[&str]) -> String {
    let quoted: Vec<String> = lines.iter().map(|line| format!("'{line}'")).collect();
    format!("printf '%s\\n' {} | PERL_MM_USE_DEFAULT=1 cpan", quoted.join(" "))
}
