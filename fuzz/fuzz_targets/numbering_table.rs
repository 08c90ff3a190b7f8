#![no_main]
//! The operator's numbering table in CSV (docs/protocol.md section 5).

use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::Spc;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(csv: &[u8]) {
    let Ok(table) = NumberingTable::parse(csv) else {
        return;
    };
    for field in csv.split(|byte| b",\r\n".contains(byte)) {
        let spc = std::str::from_utf8(field)
            .ok()
            .map(|text| text.trim().parse());
        if let Some(Ok(spc)) = spc {
            check_holdings(&table, &spc);
        }
    }
}

fn check_holdings(table: &NumberingTable, spc: &Spc) {
    for range in table.held_by(spc) {
        assert!(table.holds_range(spc, &range));
        assert!(table.holds(spc, range.start()));
    }
}
