//! Labelled files as people have them: columns that could be several things, tables, classes without
//! prefix, entities as stretches of a text, other encodings, and files with many faults.
#![allow(missing_docs)]

mod columns;
mod comments;
mod encodings;
mod faults;
mod reading;
mod records;
mod tables;
mod tags;
