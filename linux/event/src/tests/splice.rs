//! Splice, tee and the like.

use super::*;
use crate::{Chunk, Pipe};
use linux_base::{Errno, Sink};
use linux_mm::Frame;

#[test]
fn a_page_goes_through_a_pipe_without_a_copy() {
    let (reader, writer) = Pipe::pair((0, 0));
    let frame = Frame::zeroed().unwrap();
    frame.write(100, b"page");
    write(&*writer, b"before ").unwrap();
    let chunk = Chunk::new(frame.clone(), 100, 4).unwrap();
    assert!(writer.pipe().put([chunk].into()).is_empty());
    assert_eq!(frame.references(), 2);
    write(&*writer, b" after").unwrap();
    let mut got = Vec::new();
    let moved = reader.pipe().splice_to(9, |source| {
        got.resize(source.left(), 0);
        source.pull(&mut got)
    });
    assert_eq!((moved, got.as_slice()), (Ok(9), &b"before pa"[..]));
    assert_eq!(read(&*reader, 100), Ok(b"ge after".to_vec()));
    assert_eq!(frame.references(), 1);
    let mut bytes = [0; 12];
    frame.read(96, &mut bytes);
    assert_eq!(&bytes, b"\0\0\0\0page\0\0\0\0");
}

#[test]
fn what_a_file_does_not_take_goes_back() {
    let (reader, writer) = Pipe::pair((0, 0));
    write(&*writer, &[b'x'; 5000]).unwrap();
    write(&*writer, b"end").unwrap();
    let refused = reader.pipe().splice_to(6000, |_| Err(Errno::EAGAIN));
    assert_eq!((refused, reader.pipe().len()), (Err(Errno::EAGAIN), 5003));
    let mut buffer = [0; 4500];
    let some = reader.pipe().splice_to(6000, |source| source.pull(&mut buffer).map(|_| 4200));
    assert_eq!((some, reader.pipe().len()), (Ok(4200), 803));
    let rest = read(&*reader, 9000).unwrap();
    assert!(rest.len() == 803 && rest.ends_with(b"xend"));
    assert_eq!(reader.pipe().splice_to(1, |_| Ok(1)), Err(Errno::EAGAIN));
    assert_eq!(reader.pipe().ready_to_read(), Err(Errno::EAGAIN));
    drop(writer);
    assert_eq!(reader.pipe().ready_to_read(), Ok(()));
    assert_eq!(reader.pipe().splice_to(1, |_| Ok(1)), Ok(0));
}

#[test]
fn a_file_is_read_for_as_much_as_there_is_room() {
    let (reader, writer) = Pipe::pair((0, 0));
    write(&*writer, b"1").unwrap();
    let asked = writer.pipe().splice_from(1 << 20, |sink| {
        let len = sink.room();
        sink.push_zeroes(len)
    });
    assert_eq!(asked, Ok(15 * 4096));
    assert_eq!(writer.pipe().splice_from(1, |_| Ok(0)), Err(Errno::EAGAIN));
    assert_eq!(read(&*reader, 100_000).map(|bytes| bytes.len()), Ok(15 * 4096 + 1));
    drop(reader);
    assert_eq!(writer.pipe().splice_from(1, |_| Ok(0)), Err(Errno::EPIPE));
}

#[test]
fn tee_leaves_the_bytes_where_they_are() {
    let (first_reader, first_writer) = Pipe::pair((0, 0));
    let (second_reader, second_writer) = Pipe::pair((0, 0));
    write(&*first_writer, b"shared").unwrap();
    assert_eq!(second_writer.pipe().tee_from(first_reader.pipe(), 4), Ok(4));
    // What is written now goes on in the page that both share, behind what the second has of it.
    write(&*first_writer, b" more").unwrap();
    write(&*second_writer, b"!").unwrap();
    assert_eq!(read(&*second_reader, 100), Ok(b"shar!".to_vec()));
    assert_eq!(read(&*first_reader, 100), Ok(b"shared more".to_vec()));
    assert_eq!(second_writer.pipe().tee_from(first_reader.pipe(), 4), Err(Errno::EAGAIN));
    assert_eq!(first_writer.pipe().tee_from(first_reader.pipe(), 4), Err(Errno::EINVAL));
}

#[test]
fn bytes_move_between_pipes_as_far_as_there_is_room() {
    let (first_reader, first_writer) = Pipe::pair((0, 0));
    let (second_reader, second_writer) = Pipe::pair((0, 0));
    second_writer.pipe().set_capacity(4096, false).unwrap();
    write(&*first_writer, &[7; 9000]).unwrap();
    assert_eq!(second_writer.pipe().splice_from_pipe(first_reader.pipe(), 9000), Ok(4096));
    assert_eq!(second_writer.pipe().splice_from_pipe(first_reader.pipe(), 9000), Err(Errno::EAGAIN));
    assert_eq!(read(&*second_reader, 9000).map(|bytes| bytes.len()), Ok(4096));
    assert_eq!(read(&*first_reader, 9000).map(|bytes| bytes.len()), Ok(9000 - 4096));
}
