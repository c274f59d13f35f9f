//! Which words to ask a device for: what lies close together in one request, within what the device allows. Pure.

/// What a function code reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RegisterTable {
    /// Function 1.
    Coils,
    /// Function 2.
    DiscreteInputs,
    /// Function 3.
    HoldingRegisters,
    /// Function 4.
    InputRegisters,
}

impl RegisterTable {
    /// The table that this function code reads. Writing is not offered.
    #[must_use]
    pub const fn of_function(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Coils),
            2 => Some(Self::DiscreteInputs),
            3 => Some(Self::HoldingRegisters),
            4 => Some(Self::InputRegisters),
            _ => None,
        }
    }

    /// The function code of the Modbus request that reads this table.
    #[must_use]
    pub const fn function(self) -> u8 {
        match self {
            Self::Coils => 1,
            Self::DiscreteInputs => 2,
            Self::HoldingRegisters => 3,
            Self::InputRegisters => 4,
        }
    }

    /// Whether its places are single bits.
    #[must_use]
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::DiscreteInputs)
    }
}

/// A stretch of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressRange {
    /// Its table: coils, inputs or registers.
    pub table: RegisterTable,
    /// The first place, from 0.
    pub start: u16,
    /// Places: bits or registers, 1 to 2,000.
    pub count: u16,
}

impl AddressRange {
    /// The place behind the last one.
    #[must_use]
    pub fn end(&self) -> u32 {
        u32::from(self.start) + u32::from(self.count)
    }

    /// Whether `other` lies within this one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.table == other.table && self.start <= other.start && other.end() <= self.end()
    }
}

/// What a device allows in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Most places in one request: 125 registers or 2,000 bits by the protocol, fewer on many devices.
    pub count_max: u16,
    /// Most places that are read for nothing between two that are wanted.
    pub gap_max: u16,
}

/// The fewest requests that read all of `wanted`. What is wanted in one piece stays in one piece: a number of two words that is read
/// in two requests may be torn.
#[must_use]
pub fn requests(wanted: &[AddressRange], limits: RequestLimits) -> Vec<AddressRange> {
    let mut sorted: Vec<AddressRange> = wanted.iter().copied().filter(|one| one.count > 0).collect();
    sorted.sort_unstable();
    let mut requests: Vec<AddressRange> = Vec::new();
    for one in sorted {
        if let Some(last) = requests.last_mut()
            && last.table == one.table
        {
            let end = last.end().max(one.end());
            let near = u32::from(one.start) <= last.end() + u32::from(limits.gap_max);
            let fits = end - u32::from(last.start) <= u32::from(limits.count_max);
            if near && (fits || end == last.end()) {
                last.count = u16::try_from(end - u32::from(last.start)).unwrap_or(last.count);
                continue;
            }
        }
        requests.push(one);
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn input(start: u16, count: u16) -> AddressRange {
        AddressRange { table: RegisterTable::InputRegisters, start, count }
    }

    #[test]
    fn near_words_share_a_request_and_far_ones_do_not() {
        let limits = RequestLimits { count_max: 10, gap_max: 2 };
        assert_eq!(requests(&[input(4, 1), input(0, 2), input(20, 2)], limits), [input(0, 5), input(20, 2)]);
        assert_eq!(requests(&[input(0, 8), input(8, 4)], limits), [input(0, 8), input(8, 4)], "no number is torn");
        let coil = AddressRange { table: RegisterTable::Coils, start: 0, count: 1 };
        assert_eq!(requests(&[input(1, 1), coil], limits), [coil, input(1, 1)], "tables are apart");
        assert_eq!(requests(&[input(65_535, 1), input(65_534, 1)], limits), [input(65_534, 2)]);
    }

    proptest! {
        #[test]
        fn everything_wanted_is_read_within_the_limits(wanted in prop::collection::vec((0_u16..500, 1_u16..5), 0..60), count_max in 4_u16..60, gap_max in 0_u16..10) {
            let wanted: Vec<AddressRange> = wanted.into_iter().map(|(start, count)| input(start, count)).collect();
            let found = requests(&wanted, RequestLimits { count_max, gap_max });
            for one in &wanted {
                prop_assert!(found.iter().any(|request| request.contains(one)));
            }
            prop_assert!(found.iter().all(|request| request.count <= count_max));
            prop_assert!(found.len() <= wanted.len());
        }
    }
}
