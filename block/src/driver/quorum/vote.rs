//! Votes: what most say, of data or of errors.
//!
//! QEMU: `quorum_count_vote`, `quorum_get_vote_winner` (block/quorum.c).

/// What some of the voters say: the numbers of these voters, the first one first.
pub(super) type Party = Vec<usize>;

/// Counts: each voter goes to those who say the same, or makes a party of his own.
pub(super) fn count<T>(
    votes: impl IntoIterator<Item = (usize, T)>,
    same: impl Fn(&T, &T) -> bool,
) -> Vec<Party> {
    let mut parties: Vec<(T, Party)> = Vec::new();
    for (voter, vote) in votes {
        match parties.iter_mut().find(|(other, _)| same(other, &vote)) {
            Some((_, party)) => party.push(voter),
            None => parties.push((vote, vec![voter])),
        }
    }
    parties.into_iter().map(|(_, party)| party).collect()
}

/// Which party has won: the largest, and of several the one that was made last.
///
/// # Panics
///
/// If there is none.
pub(super) fn winner(parties: &[Party]) -> usize {
    let largest = parties
        .iter()
        .enumerate()
        .max_by_key(|(_, party)| party.len());
    largest.expect("somebody has voted").0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elect(votes: &[u8]) -> Vec<usize> {
        let parties = count(votes.iter().copied().enumerate(), |one, other| one == other);
        parties[winner(&parties)].clone()
    }

    #[test]
    fn the_majority_wins() {
        assert_eq!(elect(&[1, 2, 1]), [0, 2]);
        assert_eq!(elect(&[1, 2, 2, 1, 1]), [0, 3, 4]);
    }

    /// qemu-storage-daemon 10.0.2 does so.
    #[test]
    fn of_equal_parties_the_one_wins_that_was_seen_last() {
        assert_eq!(elect(&[1, 2]), [1]);
        assert_eq!(elect(&[1, 2, 3]), [2]);
        assert_eq!(elect(&[1, 2, 2, 1]), [1, 2]);
    }
}
