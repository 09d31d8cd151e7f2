//! The known word that was probably meant.

/// The nearest of `known` to `word`, if one is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(word);
    let allowed = (wanted.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let plain_candidate = plain(candidate);
        let mut parts = plain_candidate.split('_');
        let ends = [parts.next(), parts.next_back()];
        let is_part = wanted.len() > 2
            && ends
                .into_iter()
                .flatten()
                .any(|part| part == wanted || part == wanted.trim_end_matches('s'));
        let distance = match distance(&wanted, &plain_candidate) {
            distance if distance <= allowed => distance,
            _ if is_part => allowed + 1,
            _ => continue,
        };
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Without what people get wrong most: `cpuArchitecture`, `CPU-Architecture`.
pub(super) fn plain(word: &str) -> String {
    let mut result = String::with_capacity(word.len());
    let mut after_small = false;
    for character in word.chars().take(100) {
        if character.is_uppercase() && after_small {
            result.push('_');
        }
        after_small = character.is_lowercase();
        match character {
            '-' | ' ' | '.' => result.push('_'),
            _ => result.extend(character.to_lowercase()),
        }
    }
    result
}

/// How many characters must be added, taken away, replaced or exchanged with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, left) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, right) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(left != right);
            let mut least = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && one[row - 1] == *right && other[column - 1] == *left {
                least = least.min(before[column - 1] + 1);
            }
            current.push(least);
        }
        before = last;
        last = current;
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_the_one_that_was_meant() {
        let known = [
            "container_port",
            "cpu",
            "cpu_architecture",
            "memory",
            "services",
        ];
        for (word, expected) in [
            ("cpus", Some("cpu")),
            ("CPU", Some("cpu")),
            ("cpuArchitecture", Some("cpu_architecture")),
            ("memroy", Some("memory")),
            ("port", Some("container_port")),
            ("ports", Some("container_port")),
            ("service", Some("services")),
            ("architecture", Some("cpu_architecture")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
