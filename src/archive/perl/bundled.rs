//! `Module::Install`, which thousands of distributions carry in `inc/`: the lines of it that start programs or fetch files.
//!
//! Exactly these lines, found in every version of its history, are no facts in their own files. Anything else in `inc/` is,
//! since a bundled tool is a good place to hide in. What a Makefile.PL *asks* them to do (`get_file`) is seen there.

use super::facts::ScriptFact;

const KNOWN: [(&str, &str); 11] = [
    ("inc/Module/AutoInstall.pm", "eval '$>' and lc(`sudo -V`) =~ /version/ and _prompt("),
    ("inc/Module/AutoInstall.pm", "unless system( 'sudo', $^X, $0, \"--config=$config\","),
    ("inc/Module/Install.pm", "eval( $] >= 5.006 ? <<'END_NEW' : <<'END_OLD' ); die $@ if $@;"),
    ("inc/Module/Install/Build.pm", "my $val = eval \"\\$self->$key\" or next;"),
    ("inc/Module/Install/DSL.pm", "eval $code;"),
    ("inc/Module/Install/Fetch.pm", "LWP::Simple::mirror($args{url}, $file);"),
    ("inc/Module/Install/Fetch.pm", "my $ftp = Net::FTP->new($host, Passive => 1, Timeout => 600);"),
    ("inc/Module/Install/Fetch.pm", "system($args{run}) if exists $args{run};"),
    ("inc/Module/Install/Makefile.pm", "( @_ < 2 or $makemaker >= eval($_[1]) ) ? $makemaker : 0"),
    ("inc/Module/Install/Makefile.pm", "my @default_inc = qx/$^X -le $quote print for \\@INC $quote/;"),
    ("inc/Module/Install/PAR.pm", "return if system( unzip => $file, qw(-d blib) );"),
];

/// Whether this is a known line of `Module::Install`.
pub(super) fn is_known(fact: &ScriptFact) -> bool {
    KNOWN.iter().any(|(file, line)| *file == fact.file && *line == fact.excerpt)
}
