#![doc = include_str!("ARCHITECTURE.md")]

pub mod geom;

pub mod domain;

pub mod territory;

pub mod city;

pub mod tiles;

pub mod clock;

#[cfg(feature = "server")]
pub mod compute;
#[cfg(feature = "server")]
pub mod config;

#[cfg(feature = "server")]
pub mod interchange;
#[cfg(feature = "server")]
pub mod store;

#[cfg(feature = "server")]
pub mod live;

#[cfg(feature = "server")]
pub mod upstream;

#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod http;

pub mod demo;

#[cfg(feature = "server")]
pub mod cli;
