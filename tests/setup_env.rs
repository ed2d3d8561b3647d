//! `bench setup env`: the Python environment, and the library that the binary carries into it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Output, TestBench, run, until, write_program};

/// What imports the library.
const IMPORT: &str = "import dontmanage, dontmanage_cache, dontmanage_cache._core";

/// What imports all that is carried.
const IMPORT_ALL: &str =
    "import dontmanage, dontmanage_cache._core, async_timeout, pip, pymysql, redis, sqlalchemy";

/// A bench with an environment. Fails, with the way out, if the binary was built without the library.
fn with_env() -> TestBench {
    let bench = TestBench::existing("{}");
    bench.run(&["setup", "env"]).success();
    bench
}

/// `env/lib/python3.N/site-packages`
fn packages(bench: &TestBench) -> PathBuf {
    let mut folders = std::fs::read_dir(bench.path("env/lib")).expect("env/lib");
    folders.next().expect("a version").expect("an entry").path().join("site-packages")
}

/// The only folder there whose name begins so and ends with `.dist-info`.
fn dist_info(bench: &TestBench, name: &str) -> PathBuf {
    let found: Vec<PathBuf> = std::fs::read_dir(packages(bench))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let name_of = path.file_name().expect("a name").to_string_lossy().into_owned();
            name_of.starts_with(&format!("{name}-")) && name_of.ends_with(".dist-info")
        })
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("one")
}

/// Runs Python in the bench, as a worker is run.
fn python(bench: &TestBench, code: &str) -> Output {
    bench.run(&["run", "python", "-c", code])
}

/// The Python that tests may use by another name.
fn real_python() -> String {
    let mut command = Command::new("python3");
    command.args(["-c", "import sys; print(sys.executable)"]);
    run(command).success().stdout.trim().to_owned()
}

/// A folder of the test's own with a program that notes its calls in `calls` and becomes the real Python.
fn noting_python(bench: &TestBench) -> (PathBuf, PathBuf) {
    let (folder, calls) = (bench.parent().join("bin"), bench.parent().join("calls"));
    let text = format!("#!/bin/sh\necho \"$0\" >> '{}'\nexec '{}' \"$@\"\n", calls.display(), real_python());
    write_program(&folder.join("python3"), &text);
    (folder, calls)
}

#[test]
fn a_new_bench_has_the_library_with_no_other_program_than_python_and_no_network() {
    let mut bench = TestBench::empty();
    let (folder, calls) = noting_python(&bench);
    // Nothing that could fetch anything is to be found, and who tried would meet a closed port.
    bench.env("PATH", folder.to_str().expect("text"));
    for name in ["PIP_INDEX_URL", "UV_INDEX_URL", "http_proxy", "https_proxy", "ALL_PROXY"] {
        bench.env(name, "http://127.0.0.1:9/");
    }
    bench.run(&["init", "."]).success();
    let mut command = Command::new(bench.path("env/bin/python"));
    command.args(["-c", IMPORT]);
    run(command).success();
    assert_eq!(std::fs::read_to_string(&calls).expect("calls").lines().count(), 1, "Python makes env/");
    // Nothing is to be done, and no Python is started to find that out.
    let before = modified(&packages(&bench));
    assert_eq!(bench.run(&["setup", "env"]).success().stderr, "");
    assert_eq!(bench.run(&["setup", "env", "--check"]).success().stderr, "");
    assert_eq!(std::fs::read_to_string(&calls).expect("calls").lines().count(), 1);
    assert_eq!(modified(&packages(&bench)), before);
}

/// When each folder and file below was changed last.
fn modified(folder: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let metadata = path.symlink_metadata().expect("metadata");
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            all.push((path, metadata.modified().expect("a time")));
        }
    }
    all.sort();
    all
}

#[test]
fn every_python_that_the_library_is_for_imports_it() {
    let names = (10..=20).map(|minor| format!("python3.{minor}")).chain(["python3".to_owned()]);
    let mut tried = 0;
    for name in names {
        // A name on the PATH may be one that only says that it is not installed.
        let runs = Command::new(&name).args(["-c", "import venv"]).output();
        if !runs.is_ok_and(|output| output.status.success()) {
            continue;
        }
        let bench = TestBench::existing("{}");
        bench.run(&["setup", "env", "--python", &name]).success();
        python(&bench, IMPORT_ALL).success();
        // Everybody who asks what is installed is told.
        let told = bench.run(&["run", "pip", "list", "--disable-pip-version-check"]).success().stdout;
        for package in ["dontmanage ", "dontmanage_cache", "pip", "redis", "SQLAlchemy", "typing_extensions"]
        {
            assert!(told.contains(package), "{name}: {package}: {told}");
        }
        tried += 1;
    }
    assert!(tried > 0, "no Python 3.10 or newer was found");
}

#[test]
fn programs_and_commands_of_a_bench_use_the_cache() {
    let bench = TestBench::with_redis("worker: python worker.py\n");
    bench.run(&["setup", "env"]).success();
    bench.run(&["new-site", "a.localhost"]).success();
    bench.write(
        "worker.py",
        "import sys, time, dontmanage\n\
         dontmanage.init('a.localhost')\n\
         dontmanage.cache.set_value('key', {'from': 'the worker'})\n\
         print('has set', sys.prefix, flush=True)\n\
         time.sleep(1000)\n",
    );
    let mut running = bench.start(&[]);
    let said = running.says("has set");
    assert!(said.contains(bench.path("env").to_str().expect("text")), "{said}");
    let get = "import dontmanage; dontmanage.init('a.localhost'); print(dontmanage.cache.get_value('key'))";
    assert_eq!(python(&bench, get).success().stdout, "{'from': 'the worker'}\n");
    running.interrupt();
}

#[test]
fn the_library_of_another_bench_program_is_replaced_and_nothing_of_it_stays() {
    let bench = with_env();
    let (packages, info) = (packages(&bench), dist_info(&bench, "dontmanage_cache"));
    python(&bench, IMPORT).success();
    // As an earlier version would have left it.
    let text = "version = 'an earlier one'\n";
    let older = packages.join("dontmanage_cache-0.0.9.dist-info");
    std::fs::rename(&info, &older).expect("a renamed folder");
    let name = info.file_name().expect("a name").to_str().expect("text");
    std::fs::create_dir(packages.join("dontmanage_cache/gone")).expect("a folder");
    for file in ["dontmanage_cache/gone/__init__.py", "dontmanage_cache/clearing.py"] {
        std::fs::write(packages.join(file), text).expect("a file");
    }
    let older_is_there = "import dontmanage_cache.gone as gone, dontmanage_cache.clearing as clearing; clearing.version, gone.version";
    python(&bench, older_is_there).success();
    let record = std::fs::read_to_string(older.join("RECORD")).expect("a file");
    let record = record.replace(name, "dontmanage_cache-0.0.9.dist-info");
    let record = record + "dontmanage_cache/gone/__init__.py,,\n";
    std::fs::write(older.join("RECORD"), record).expect("a file");

    bench.run(&["setup", "env", "--check"]).code(1).says("`env/` is to have dontmanage_cache");
    bench.run(&["setup", "env"]).success();
    assert!(info.is_dir() && !older.exists());
    assert!(!packages.join("dontmanage_cache/gone").exists());
    python(&bench, IMPORT).success();
    // Nor does what Python has compiled of it live on.
    python(&bench, "import dontmanage_cache.clearing as clearing; assert not hasattr(clearing, 'version')")
        .success();
    bench.run(&["setup", "env", "--check"]).success();
}

#[test]
fn a_damaged_or_half_put_library_is_mended() {
    let bench = with_env();
    let packages = packages(&bench);
    let record = dist_info(&bench, "dontmanage_cache").join("RECORD");
    let (wrapper, face) = (packages.join("dontmanage_cache/redis_wrapper.py"), packages.join("dontmanage"));
    let whole = std::fs::read(&wrapper).expect("a file");
    for damage in [
        &(|| std::fs::remove_file(&record).expect("a file")) as &dyn Fn(),
        &|| std::fs::write(&wrapper, "").expect("a file"),
        &|| std::fs::remove_dir_all(&face).expect("a folder"),
    ] {
        damage();
        bench.run(&["setup", "env", "--check"]).code(1).says("`env/` is to have dontmanage");
        bench.run(&["setup", "env"]).success();
        bench.run(&["setup", "env", "--check"]).success();
        assert_eq!(std::fs::read(&wrapper).expect("a file"), whole);
        python(&bench, IMPORT).success();
    }
}

#[test]
fn a_worker_that_has_the_library_open_keeps_it_while_it_is_replaced() {
    let bench = with_env();
    let core = std::fs::read_dir(packages(&bench).join("dontmanage_cache"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "so"))
        .expect("the compiled part");
    let longer = [std::fs::read(&core).expect("a file"), vec![0; 10]].concat();
    // A new file, so that the worker maps what is replaced later.
    std::fs::remove_file(&core).expect("a removed file");
    std::fs::write(&core, longer).expect("a file");
    bench.write(
        "worker.py",
        "import pathlib, time, dontmanage\n\
         pathlib.Path('up').touch()\n\
         while not pathlib.Path('replaced').exists(): time.sleep(0.01)\n\
         dontmanage.cache.make_key('x', shared=True)\n\
         print('still whole')\n",
    );
    let child = bench
        .command(&["run", "python", "worker.py"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a started worker");
    until("the worker has it", || bench.path("up").exists().then_some(()));
    bench.run(&["setup", "env"]).success();
    bench.write("replaced", "");
    let output = child.wait_with_output().expect("a worker to wait for");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"still whole\n");
}

#[test]
fn what_others_installed_is_left_alone() {
    let bench = with_env();
    let info = dist_info(&bench, "redis");
    let theirs = info.with_file_name("redis-4.5.5.dist-info");
    std::fs::rename(&info, &theirs).expect("a renamed folder");
    std::fs::write(theirs.join("INSTALLER"), "pip\n").expect("a file");
    assert_eq!(bench.run(&["setup", "env"]).success().stderr, "");
    assert_eq!(dist_info(&bench, "redis"), theirs);
    // Of the library itself, an other version than the program's is worth a word.
    let info = dist_info(&bench, "dontmanage_cache");
    let theirs = info.with_file_name("dontmanage_cache-9.9.9.dist-info");
    std::fs::rename(&info, &theirs).expect("a renamed folder");
    std::fs::write(theirs.join("INSTALLER"), "pip\n").expect("a file");
    bench.run(&["setup", "env"]).success().says("dontmanage_cache 9.9.9, which `bench` did not put there");
    assert_eq!(dist_info(&bench, "dontmanage_cache"), theirs);
}

#[test]
fn pip_takes_out_what_bench_put_in() {
    let bench = with_env();
    bench.run(&["run", "pip", "uninstall", "--yes", "dontmanage_cache"]).success();
    assert!(!packages(&bench).join("dontmanage_cache").exists());
    bench.run(&["setup", "env"]).success();
    python(&bench, IMPORT).success();
}

#[test]
fn the_face_gives_way_to_the_framework_and_comes_back() {
    let mut bench = with_env();
    if nix::unistd::Uid::effective().is_root() {
        bench.env("BENCH_USER", "root");
    }
    let which = "import dontmanage; print(dontmanage.__version__)";
    let ours = python(&bench, which).success().stdout;
    let sources = bench.parent().join("sources/dontmanage/__init__.py");
    std::fs::create_dir_all(sources.parent().expect("a parent")).expect("a folder");
    std::fs::write(&sources, "__version__ = \"15.0.0\"\n").expect("a file");
    let link = packages(&bench).join("framework.pth");
    let app = bench.path("apps/dontmanage");
    let put_link = || {
        let folder = sources.parent().and_then(Path::parent).expect("a folder").display().to_string();
        std::fs::write(&link, format!("# the framework\n{folder}\n")).expect("a file");
    };
    let put_app = || std::fs::create_dir_all(&app).expect("a folder");
    let take_away = || {
        if link.exists() {
            std::fs::remove_file(&link).expect("a removed file");
        }
        if app.exists() {
            std::fs::remove_dir(&app).expect("a removed folder");
        }
    };
    for (put, seen) in [(&put_link as &dyn Fn(), true), (&put_app, false)] {
        put();
        bench.run(&["setup", "env", "--check"]).code(1).says("no dontmanage");
        bench.run(&["setup", "env"]).success();
        assert!(!packages(&bench).join("dontmanage").exists());
        python(&bench, "import dontmanage_cache").success();
        if seen {
            assert_eq!(python(&bench, which).success().stdout, "15.0.0\n");
        }
        bench.run(&["setup", "env", "--check"]).success();
        take_away();
        bench.run(&["setup", "env"]).success();
        assert_eq!(python(&bench, which).success().stdout, ours);
    }
}

#[test]
fn an_environment_with_the_framework_gets_the_library_and_nothing_that_it_may_have_in_another_version() {
    let mut bench = TestBench::existing("{}");
    if nix::unistd::Uid::effective().is_root() {
        bench.env("BENCH_USER", "root");
    }
    bench.write("apps/dontmanage/dontmanage/__init__.py", "__version__ = \"15.0.0\"\n");
    bench.run(&["setup", "env"]).success();
    let mut there: Vec<String> = std::fs::read_dir(packages(&bench))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.contains('.'))
        .collect();
    there.sort();
    assert_eq!(there, ["dontmanage_cache", "pip"]);
}

#[test]
fn an_environment_whose_python_is_gone_is_told_with_the_way_out() {
    let bench = with_env();
    let python = bench.path("env/bin/python");
    std::fs::remove_file(&python).expect("a removed file");
    std::os::unix::fs::symlink("/usr/local/bin/python3.7-of-yesterday", &python).expect("a link");
    for words in [&["setup", "env"][..], &["setup", "env", "--check"]] {
        let output = bench.run(words).code(1).says("`/usr/local/bin/python3.7-of-yesterday`, which is gone");
        output.says("fix: make it anew: `mv env env.old`, then `bench setup env`");
    }
    // A new bench needs no Python to run.
    bench.run(&["init", "."]).success().says("which is gone");
    std::fs::rename(bench.path("env"), bench.path("env.old")).expect("a renamed folder");
    bench.run(&["setup", "env"]).success();
}

#[test]
fn an_environment_of_a_python_that_does_not_fit_is_told() {
    for (version, told) in [
        ("3.9.2", "`env/` has Python 3.9, and the library needs Python 3.10"),
        ("3.19.0", "`env/` has no folder for the packages of Python 3.19"),
        ("", "names no version"),
    ] {
        let bench = TestBench::existing("{}");
        // A program whose name tells no version.
        write_program(&bench.path("env/bin/python"), "#!/bin/sh\n");
        bench.write("env/pyvenv.cfg", &format!("home = /usr/bin\nversion = {version}\n"));
        bench.run(&["setup", "env"]).code(1).says(told).says("mv env env.old");
    }
    let bench = TestBench::existing("{}");
    write_program(&bench.path("env/bin/python3.12"), "#!/bin/sh\n");
    std::os::unix::fs::symlink("python3.12", bench.path("env/bin/python")).expect("a link");
    bench.write("env/pyvenv.cfg", "version = 3.11.2\n");
    bench.run(&["setup", "env"]).code(1).says("was made with Python 3.11, and its Python is 3.12 now");
}

#[test]
fn an_old_python_is_passed_over_or_told() {
    let mut bench = TestBench::existing("{}");
    let folder = bench.parent().join("bin");
    bench.env("PATH", folder.to_str().expect("text"));
    write_program(&folder.join("python3"), "#!/bin/sh\necho Python 3.8.18\nexit 3\n");
    bench
        .run(&["setup", "env"])
        .code(1)
        .says("`python3` is Python 3.8.18, and the library needs CPython 3.10 or newer")
        .says("fix: install a newer one, and name it: `bench setup env --python python3.10`");
    assert!(!bench.path("env/bin").exists());
    // Told apart from one that can't make environments.
    write_program(&folder.join("python3.11"), "#!/bin/sh\necho \"No module named 'venv'\" >&2\nexit 1\n");
    bench
        .run(&["setup", "env", "--python", "python3.11"])
        .code(1)
        .says("No module named 'venv'")
        .says("apt-get install python3-venv");
    let text = format!("#!/bin/sh\nexec '{}' \"$@\"\n", real_python());
    write_program(&folder.join("python3.10"), &text);
    bench.run(&["setup", "env"]).success();
    let mut command = Command::new(bench.path("env/bin/python"));
    command.args(["-c", IMPORT]);
    run(command).success();
}

#[test]
fn an_environment_in_a_folder_of_any_name_works() {
    let bench = TestBench::named(
        "my bench, \"the second\", whose name is longer than the kernel reads of a program's first line, which is a pity",
    );
    bench.run(&["init", "."]).success();
    python(&bench, IMPORT).success();
    let told = bench.run(&["run", "pip", "--version", "--disable-pip-version-check"]).success().stdout;
    assert!(told.contains(bench.root().to_str().expect("text")), "{told}");
}

#[test]
fn nothing_is_put_through_a_link_that_leads_out_of_the_bench() {
    let bench = TestBench::existing("{}");
    let outside = bench.parent().join("outside");
    std::fs::create_dir(&outside).expect("a folder");
    std::os::unix::fs::symlink(&outside, bench.path("env")).expect("a link");
    bench.run(&["setup", "env"]).code(1).says("leads out of the bench");
    assert_eq!(std::fs::read_dir(&outside).expect("a folder").count(), 0);
}
