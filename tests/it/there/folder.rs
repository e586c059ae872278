//! The folder is full, forbidden, or not there.

use super::scene::{Place, Source, aftermath, backup};
use crate::harness::Pgstow;
use crate::servers::run;
use crate::skip;
use pgstow::error::Kind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A filesystem in memory; unmounted on drop.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, megabytes: u32) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "pgstow-test"]).arg(at);
        mount.output().unwrap().status.success().then(|| SmallDisk(at.to_owned()))
    }

    fn resize(&self, megabytes: u32) {
        run(Command::new("mount").args(["-o", &format!("remount,size={megabytes}m")]).arg(&self.0));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn the_disk_becomes_full() {
    let (source, place) = (Source::shared(), Place::folder());
    let Some(disk) = SmallDisk::mount(&place.path(), 10) else {
        skip!("only root may mount a small disk");
    };
    let run = backup(source, &place).arg("--no-space-check").fails(Kind::Store);
    run.says("No space left on device").says("hint: free space there");
    assert!(place.keys().is_empty() && place.unfinished().is_empty());
    disk.resize(40);
    aftermath(source, &place);
}

#[test]
fn a_disk_that_is_too_small_is_noticed_before_the_dump() {
    let (source, place) = (Source::shared(), Place::folder());
    let Some(disk) = SmallDisk::mount(&place.path(), 1) else {
        skip!("only root may mount a small disk");
    };
    let run = backup(source, &place).fails(Kind::Store);
    run.says("the store has 1.00 MiB free").says("--no-space-check");
    disk.resize(40);
    aftermath(source, &place);
}

/// The same as a full disk, as far as it can be had without rights.
#[test]
fn a_file_may_not_grow_further() {
    let (source, place) = (Source::shared(), Place::folder());
    for before in ["", "trap '' XFSZ; "] {
        let script = format!("{before}exec prlimit --fsize=6000000 \"$@\"");
        let run = backup(source, &place).under(["/bin/bash", "-c", &script, "-"]).fails(Kind::Store);
        run.says("File too large").says("hint: free space there");
    }
    aftermath(source, &place);
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs it with no more rights than a user has: root may write anywhere else.
fn as_user(pgstow: Pgstow) -> Pgstow {
    if !is_root() {
        return pgstow;
    }
    pgstow.under(["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"])
}

#[test]
fn the_folder_may_not_be_written() {
    let (source, place) = (Source::shared(), Place::folder());
    let mode = |mode| std::fs::set_permissions(place.path(), PermissionsExt::from_mode(mode)).unwrap();
    std::fs::create_dir(place.path()).unwrap();
    mode(0o500);
    let run = as_user(backup(source, &place)).fails(Kind::Store);
    run.says("Permission denied").says("hint: the user who runs pgstow needs permission there");
    mode(0o700);
    aftermath(source, &place);
}

#[test]
fn the_folder_belongs_to_somebody_else() {
    if !is_root() {
        skip!("only root may give a folder away");
    }
    let (source, place) = (Source::shared(), Place::folder());
    std::fs::create_dir(place.path()).unwrap();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(place.path(), Some(65534), Some(65534)).unwrap();
    as_user(backup(source, &place)).fails(Kind::Store).says("Permission denied");
    std::os::unix::fs::chown(place.path(), Some(0), Some(0)).unwrap();
    aftermath(source, &place);
}

#[test]
fn the_folder_is_a_file() {
    let (source, place) = (Source::shared(), Place::folder());
    std::fs::write(place.path(), "").unwrap();
    backup(source, &place).fails(Kind::Store).says("is not a folder");
    std::fs::remove_file(place.path()).unwrap();
    aftermath(source, &place);
}

/// A disk that is not mounted must not be replaced by a folder of the same name.
#[test]
fn the_folder_above_is_not_there() {
    let (source, place) = (Source::shared(), Place::folder());
    let Place::Folder(above) = &place else { unreachable!() };
    std::fs::remove_dir(above).unwrap();
    backup(source, &place).fails(Kind::Store).says("there is no folder").says("that its disk is mounted");
    assert!(!above.path().exists());
    std::fs::create_dir(above).unwrap();
    aftermath(source, &place);
}
