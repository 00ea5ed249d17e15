//! Starts the command line.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, the same number in its versions 2 and 3: milliseconds after which freed pages go back to the
/// system.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> std::process::ExitCode {
    // At once: otherwise most of what a start or an import frees on its threads stays resident. A server over 5,000 grids and 500,000
    // facilities 221 instead of 283 MB, an import of 1,000,000 facilities at most 337 instead of 403 MB, in the same time; 2026-11.
    #[expect(unsafe_code, reason = "an option of the allocator is set by its C interface, before there are other threads")]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 0);
    }
    wangge::cli::main()
}
