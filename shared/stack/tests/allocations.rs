//! What reading and rendering a stack file allocates. Counted, because a count is the same on every machine, and time is
//! not.

#[cfg(test)]
#[path = "../benches/stacks/files.rs"]
mod files;

#[cfg(test)]
mod counted {
    use std::alloc::System;

    use cap::Cap;
    use longshore_stack::read::{Selection, read};
    use longshore_stack::render::{Context, render};

    use crate::files;

    #[global_allocator]
    static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

    /// Bytes for a service, with those that are given back meanwhile.
    const OF_READING: usize = 200_000;
    const OF_RENDERING: usize = 140_000;

    fn allocated<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = MEMORY.total_allocated();
        let result = work();
        (result, MEMORY.total_allocated() - before)
    }

    /// What reading and rendering allocate for each of so many services.
    fn for_a_service(services: usize) -> (usize, usize) {
        let text = files::yaml(&files::document(services));
        let (reading, read_bytes) =
            allocated(|| read(text.as_bytes(), &Selection::Environment(None)));
        let stack = reading.unwrap().stack;
        let (rendered, rendered_bytes) = allocated(|| render(&stack, &Context::default()));
        assert!(
            rendered.body.len() > services * 5_000,
            "{}",
            rendered.body.len()
        );
        (read_bytes / services, rendered_bytes / services)
    }

    /// One test, because whatever runs beside it would be counted, too.
    #[test]
    fn a_service_allocates_little_however_many_there_are() {
        // What is made once and kept, such as the shapes of all keys.
        for_a_service(1);
        let (few, many) = (for_a_service(5), for_a_service(25));
        assert!(
            many.0 <= OF_READING,
            "reading and checking a service allocates {} bytes, expected at most {OF_READING}",
            many.0
        );
        assert!(
            many.1 <= OF_RENDERING,
            "rendering a service allocates {} bytes, expected at most {OF_RENDERING}",
            many.1
        );
        assert!(
            many.0 <= few.0 * 11 / 10 && many.1 <= few.1 * 11 / 10,
            "with 25 services each allocates {many:?} bytes, with 5 {few:?}: it grows faster than their number"
        );
    }
}
