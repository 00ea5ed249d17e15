//! One question to whichever store it is. Memory answers at once, the durable ones are waited for.

/// The answer of any store, where memory can refuse too.
macro_rules! ask {
    ($kind:ident, $on:expr, callers.$name:ident($($argument:expr),*)) => {
        ask!($kind, $on, $name($($argument),*), store => store.callers.$name($($argument),*))
    };
    ($kind:ident, $on:expr, $name:ident($($argument:expr),*)) => {
        ask!($kind, $on, $name($($argument),*), store => store.$name($($argument),*))
    };
    ($kind:ident, $on:expr, $name:ident($($argument:expr),*), $store:ident => $memory:expr) => {
        match $on {
            $kind::Memory($store) => $memory,
            $kind::Embedded(store) => store.$name($($argument),*).await,
            #[cfg(feature = "postgres")]
            $kind::Postgis(store) => store.$name($($argument),*).await,
        }
    };
}

/// The same, where memory never refuses.
macro_rules! ask_sure {
    ($kind:ident, $on:expr, callers.$name:ident($($argument:expr),*)) => {
        ask!($kind, $on, $name($($argument),*), store => Ok(store.callers.$name($($argument),*)))
    };
    ($kind:ident, $on:expr, $name:ident($($argument:expr),*)) => {
        ask!($kind, $on, $name($($argument),*), store => Ok(store.$name($($argument),*)))
    };
}
