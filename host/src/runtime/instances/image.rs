//! What an interpreter's memory was after it had taken its scripts, so that the next instance need not
//! run them again.
//!
//! Between calls a guest's state is its linear memory alone: its one mutable global, the stack pointer, is
//! back at its start, and tables do not change. So a new instance with this memory is one that ran the scripts.

/// Bytes compared and copied together: a page of the system.
const PAGE_BYTES: usize = 4096;

/// An interpreter's memory after it took its scripts, where it differs from that of a new instance.
#[derive(Debug)]
pub(in crate::runtime) struct Image {
    memory_bytes: usize,
    /// Offsets and contents, in order.
    pages: Vec<(usize, Box<[u8]>)>,
}

impl Image {
    /// The difference of two memories; what `after` has more is compared with zeros, as grown memory is.
    pub(super) fn new(before: &[u8], after: &[u8]) -> Image {
        let pages = after.chunks(PAGE_BYTES).enumerate();
        let changed = pages.filter_map(|(number, page)| {
            let offset = number * PAGE_BYTES;
            let same = match before.get(offset..offset + page.len()) {
                Some(old) => old == page,
                None => page.iter().all(|byte| *byte == 0),
            };
            (!same).then(|| (offset, page.into()))
        });
        Image {
            memory_bytes: after.len(),
            pages: changed.collect(),
        }
    }

    /// Size the memory must have, in bytes.
    pub(in crate::runtime) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Makes the memory of a new instance, grown to the image's size, what it was after the scripts.
    pub(super) fn write(&self, memory: &mut [u8]) {
        for (offset, page) in &self.pages {
            memory[*offset..*offset + page.len()].copy_from_slice(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_memory_becomes_what_the_old_one_was() {
        let mut before = vec![0; 3 * PAGE_BYTES];
        before[10] = 1;
        before[PAGE_BYTES] = 2;
        let mut after = before.clone();
        after.resize(5 * PAGE_BYTES, 0);
        after[10] = 0;
        after[2 * PAGE_BYTES - 1] = 3;
        after[5 * PAGE_BYTES - 1] = 4;
        let image = Image::new(&before, &after);
        assert_eq!(image.memory_bytes(), after.len());
        assert_eq!(image.pages.len(), 3, "equal pages are left out");
        let mut restored = before;
        restored.resize(image.memory_bytes(), 0);
        image.write(&mut restored);
        assert_eq!(restored, after);
    }
}
