// Prints how files behave, one line a question: the same lines under every good host of WASI.
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};

fn show<T: std::fmt::Debug>(what: &str, found: std::io::Result<T>) {
    match found {
        Ok(value) => println!("{}: {:?}", what, value),
        Err(error) => println!("{}: error {:?}", what, error.raw_os_error()),
    }
}

fn main() {
    show("read", fs::read_to_string("given.txt"));
    show("read absent", fs::read_to_string("absent"));
    show("read a folder", fs::read("."));
    show("below a file", fs::read("given.txt/x"));
    show("make folder", fs::create_dir("d"));
    show("make it again", fs::create_dir("d"));
    show("make over a file", fs::create_dir("given.txt"));
    show("make deep", fs::create_dir_all("d/e/f"));
    show("write", fs::write("d/a", "0123456789"));
    show("write a folder", fs::write("d/e", "x"));
    show("create new", OpenOptions::new().write(true).create_new(true).open("d/b").map(|_| ()));
    show("create new again", OpenOptions::new().write(true).create_new(true).open("d/b").map(|_| ()));
    let mut file = OpenOptions::new().read(true).write(true).open("d/a").unwrap();
    show("seek to the end", file.seek(SeekFrom::End(-3)));
    let mut three = [0; 3];
    show("read there", file.read(&mut three));
    println!("{:?}", three);
    show("read at the end", file.read(&mut three));
    show("seek before the start", file.seek(SeekFrom::Current(-100)));
    show("seek past the end", file.seek(SeekFrom::Start(20)));
    show("write there", file.write(b"!"));
    show("length", file.metadata().map(|found| found.len()));
    show("cut", file.set_len(4));
    show("position stays", file.stream_position());
    show("extend", file.set_len(6));
    drop(file);
    show("content", fs::read("d/a"));
    let mut appended = OpenOptions::new().append(true).open("d/a").unwrap();
    show("append", appended.write(b"end"));
    show("seek while appending", appended.seek(SeekFrom::Start(0)));
    show("append again", appended.write(b"."));
    drop(appended);
    show("content", fs::read("d/a"));
    show("truncate", OpenOptions::new().write(true).truncate(true).open("d/b").map(|_| ()));
    let mut reader = File::open("d/a").unwrap();
    show("write to a reader", reader.write(b"x"));
    let mut writer = OpenOptions::new().write(true).open("d/a").unwrap();
    show("read from a writer", writer.read(&mut three));
    show("rename", fs::rename("d/b", "d/c"));
    show("rename absent", fs::rename("d/b", "d/z"));
    show("rename over a file", fs::rename("d/c", "d/a"));
    show("rename a file over a folder", fs::rename("d/a", "d/e"));
    show("rename a folder over a file", fs::rename("d/e", "d/a"));
    show("rename a folder into itself", fs::rename("d", "d/e/g"));
    show("remove a folder as file", fs::remove_file("d/e").map_err(|_| std::io::Error::from_raw_os_error(0)));
    show("remove a file as folder", fs::remove_dir("d/a"));
    show("remove a full folder", fs::remove_dir("d/e"));
    show("remove absent", fs::remove_file("absent"));
    show("remove", fs::remove_dir("d/e/f"));
    show("hard link", fs::hard_link("d/a", "d/h"));
    show("through the link", fs::read("d/h"));
    show("link again", fs::hard_link("d/a", "d/h"));
    show("up and out", fs::read("../given.txt"));
    show("up within", fs::read_to_string("d/../given.txt"));
    let mut names: Vec<_> = fs::read_dir("d").unwrap()
        .map(|one| { let one = one.unwrap(); (one.file_name(), one.file_type().unwrap().is_dir()) }).collect();
    names.sort();
    println!("{:?}", names);
    for number in 0..50 { fs::write(format!("d/e/{}", number), "").unwrap(); }
    show("many", fs::read_dir("d/e").map(|all| all.count()));
    let unlinked = File::open("d/h").unwrap();
    show("remove while open", fs::remove_file("d/h"));
    show("still there", unlinked.metadata().map(|found| found.len()));
    show("is a file", fs::metadata("d/a").map(|found| (found.is_file(), found.is_dir(), found.len())));
    show("is a folder", fs::metadata("d").map(|found| (found.is_file(), found.is_dir())));
    show("empty name", fs::read(""));
    show("trailing slash", fs::read("given.txt/"));
}
