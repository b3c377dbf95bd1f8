//! How many different things there were among many, in little memory.

/// Registers of a sketch: a power of two.
const REGISTERS: usize = 1 << BITS;
const BITS: u32 = 12;
/// The rank of a value whose other bits are all 0.
const MAX_RANK: u8 = 53;

/// Counts different values by HyperLogLog (Flajolet, Fusy, Gandouet, Meunier: "HyperLogLog: the
/// analysis of a near-optimal cardinality estimation algorithm", AOFA 2007), in 4,096 bytes whatever
/// their number. The count is off by 1.6 % on average; up to about 10,000 values it is better than that.
/// It does not depend on their order, or on how they were spread over sketches that were merged.
#[derive(Clone, PartialEq, Eq)]
pub struct Sketch {
    registers: Box<[u8; REGISTERS]>,
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch {
            registers: Box::new([0; REGISTERS]),
        }
    }
}

impl Sketch {
    /// Takes note of a value, all bits of which are as good as random.
    pub fn add(&mut self, value: u64) {
        let register = (value >> (64 - BITS)) as usize;
        // Where the first 1 of the rest is; the 1 below ends the search.
        let rest = value << BITS | 1 << (BITS - 1);
        let rank = rest.leading_zeros() as u8 + 1;
        let known = &mut self.registers[register];
        *known = rank.max(*known);
    }

    /// Takes note of all that another sketch has.
    pub fn merge(&mut self, other: &Sketch) {
        let both = self.registers.iter_mut().zip(other.registers.iter());
        both.for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.registers.fill(0);
    }

    /// About how many different values there were.
    pub fn count(&self) -> u64 {
        let registers = REGISTERS as f64;
        // The sum of 2^-rank, as an integer, so that no order of adding up rounds it.
        let shifted = self
            .registers
            .iter()
            .map(|rank| 1_u128 << (MAX_RANK - rank));
        let sum = shifted.sum::<u128>() as f64 / (1_u64 << MAX_RANK) as f64;
        let empty = self.registers.iter().filter(|rank| **rank == 0).count();
        let alpha = 0.7213 / (1.0 + 1.079 / registers);
        let estimate = alpha * registers * registers / sum;
        let small = estimate <= 2.5 * registers && empty > 0;
        let count = match small {
            true => registers * (registers / empty as f64).ln(),
            false => estimate,
        };
        count.round() as u64
    }
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sketch(about {})", self.count())
    }
}
