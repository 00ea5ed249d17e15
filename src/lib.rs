#![doc = include_str!("ARCHITECTURE.md")]

pub mod geom;

pub mod domain;

pub mod territory;
