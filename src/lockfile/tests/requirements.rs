//! Requirements files.

use super::*;

#[test]
fn a_requirements_file_is_read_line_by_line() {
    let text = format!(
        "\
# -*- coding: utf-8 -*-
-r base.txt
--requirement=more.txt -c limits.txt
--index-url https://ada:secret@index.example.test/simple --no-binary :all:
--pre

Six==1.16.0 \\
    --hash={} \\
    --hash=sha512:{}
    # via something
Loose_Name[fast]>=1,<2 ; python_version < '3.9'  # because
colorama == 0.4.6 ; sys_platform == 'win32' --hash={} --config-settings=\"a=b\"
wheel @ https://ada:secret@files.example.test/wheel-0.40.0-py3-none-any.whl#{}
tool @ git+https://code.example.test/tool.git@v1.2
-e git+https://code.example.test/edit.git@0123#egg=edit[a]&subdirectory=b
-e .
../path/to/thing ; os_name == 'nt'
./wheels/torch-2.0%2Bcpu-cp311-cp311-linux_x86_64.whl
https://files.example.test/six-1.15.0.tar.gz --hash={}
bare
",
        sha256('a'),
        "b".repeat(128),
        sha256('c'),
        sha256('d').replace(':', "="),
        sha256('e'),
    );
    insta::assert_snapshot!(all_told(&read_ok("requirements.txt", &text)), @r"
    7: pypi:six 1.16.0
       ? sha256:aa
       ? sha512:bb
    11: pypi:loose-name any of >=1,<2, if python_version < '3.9'
    12: pypi:colorama 0.4.6, if sys_platform == 'win32'
       ? sha256:cc
    13: pypi:wheel 0.40.0, from an address https://files.example.test/wheel-0.40.0-py3-none-any.whl#sha256=dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd
       wheel-0.40.0-py3-none-any.whl sha256:dd https://files.example.test/wheel-0.40.0-py3-none-any.whl#sha256=dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd
    14: pypi:tool, from a repository git+https://code.example.test/tool.git@v1.2
    15: pypi:edit, from a repository git+https://code.example.test/edit.git@0123#egg=edit[a]&subdirectory=b
    18: pypi:torch 2.0+cpu, from a file on the machine ./wheels/torch-2.0%2Bcpu-cp311-cp311-linux_x86_64.whl
       torch-2.0+cpu-cp311-cp311-linux_x86_64.whl ?
    19: pypi:six 1.15.0, from an address https://files.example.test/six-1.15.0.tar.gz
       six-1.15.0.tar.gz sha256:ee https://files.example.test/six-1.15.0.tar.gz
    20: pypi:bare
    4: option --index-url https://index.example.test/simple
    4: option --no-binary :all:
    5: option --pre
    12: option --config-settings a=b
    2: ! the requirements in base.txt are not followed: check that file too
    3: ! the requirements in more.txt are not followed: check that file too
    3: ! the constraints in limits.txt are not followed
    16: ! . does not say which project it is, and is not checked: write NAME @ ADDRESS
    17: ! ../path/to/thing does not say which project it is, and is not checked: write NAME @ ADDRESS
    ");
    let windows = read_ok("requirements.txt", &text.replace('\n', "\r\n"));
    assert_eq!(windows, read_ok("requirements.txt", &text), "line ends make no difference");
}

#[test]
fn what_is_frozen_is_read() {
    let text = "\
# Editable install with no version control (mine==0.1)
-e /home/ada/mine
-e git+https://code.example.test/tool.git@0123456789abcdef0123456789abcdef01234567#egg=tool
certifi @ file:///build/certifi/work
pip==23.2.1
setuptools==65.5.0
typing_extensions==4.9.0
## !! Could not determine repository location
";
    let file = read_ok("frozen", text);
    assert_eq!(file.kind, Kind::Requirements);
    insta::assert_snapshot!(all_told(&file), @r"
    3: pypi:tool, from a repository git+https://code.example.test/tool.git@0123456789abcdef0123456789abcdef01234567#egg=tool
    4: pypi:certifi, from a folder on the machine file:///build/certifi/work
    5: pypi:pip 23.2.1
    6: pypi:setuptools 65.5.0
    7: pypi:typing-extensions 4.9.0
    2: ! /home/ada/mine does not say which project it is, and is not checked: write NAME @ ADDRESS
    ");
}

#[test]
fn lines_end_where_pip_ends_them() {
    for end in ["\r", "\u{b}", "\u{c}", "\u{1c}", "\u{85}", "\u{2028}", "\u{2029}"] {
        let file = read_ok("requirements.txt", &format!("six==1.16.0 # fine{end}evil==6.6\n"));
        assert_eq!(file.entries.len(), 2, "{end:?} hides nothing");
        assert_eq!(file.remarks.is_empty(), end == "\r", "{end:?}");
    }
    let continued =
        |text: &str| -> Vec<String> { read_ok("requirements.txt", text).entries.iter().map(told).collect() };
    assert_eq!(continued("six\\\n==1.\\\n16\n# a \\\nb==1\n"), ["1: pypi:six 1.16", "5: pypi:b 1"]);
    assert_eq!(continued("a==1 \\\n# comment \\\nb==1\\"), ["1: pypi:a 1", "3: pypi:b 1"]);
    assert_eq!(continued("\\\n\\\na==1\n\n"), ["1: pypi:a 1"]);
    assert_eq!(continued("a==1#b\n"), Vec::<String>::new(), "a comment needs a blank before it");
    assert_eq!(continued("a @ https://files.example.test/a#egg=b\n").len(), 1);
}

#[test]
fn what_is_not_understood_is_told() {
    let text = format!(
        "what is this\nsix==\nsix==1.0 --hash=md9:00 --hash=sha256:00 --hash\na==${{VERSION}}\n-e\n--evil\u{1b}[2J\nb==1 ; \u{202e}x\n--hash={}\n",
        sha256('a')
    );
    insta::assert_snapshot!(all_told(&read_ok("requirements.txt", &text)), @r"
    3: pypi:six 1.0
    3: option --hash
    5: option -e
    6: option --evil\u{1b}[2J
    1: ! not understood and not checked: what is this: is this is no version specifier: write ==1.0 or >=1,<2
    2: ! not understood and not checked: six==: == is no version specifier: write ==1.0 or >=1,<2
    3: ! hashes by md9 are not known here, so this one is not compared
    3: ! 00 is no hash by sha256
    4: ! a variable of the environment is not filled in: it is read as it is written
    4: ! not understood and not checked: a==${VERSION}: ==${VERSION} is no version specifier: write ==1.0 or >=1,<2
    7: ! not understood and not checked: b==1 ; \u{202e}x: a character in it is not printable
    ");
}
