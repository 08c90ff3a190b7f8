use std::collections::BTreeMap;

use proptest::prelude::*;
use tlog_tiles::Tile as TheirTile;

use super::super::bundle::{BundleError, EntryBundle, MAX_ENTRY_SIZE};
use super::super::tile::{Tile, TileKind, subtree_root};
use super::*;

fn tile(level: u8, index: u64, size: u64) -> Tile {
    Tile::of_tree(TileKind::Hashes { level }, index, size).unwrap()
}

#[test]
fn the_examples_of_c2sp_have_their_paths() {
    let full = tile(0, 1_234_067, u64::MAX);
    assert_eq!(full.to_string(), "tile/0/x001/x234/067");
    // "A tree of size 70,000 will be represented by …"
    let tiles: Vec<_> = Tile::between(0, 70_000)
        .filter(|tile| matches!(tile.kind(), TileKind::Hashes { .. }))
        .collect();
    let of_level = |level| {
        let at = TileKind::Hashes { level };
        let tiles: Vec<_> = tiles.iter().filter(|tile| tile.kind() == at).collect();
        let full = tiles.iter().filter(|tile| tile.is_full()).count();
        let partial: Vec<_> = tiles.iter().filter(|tile| !tile.is_full()).collect();
        (full, partial.first().map(|tile| tile.width()))
    };
    assert_eq!(of_level(0), (273, Some(112)));
    assert_eq!(of_level(1), (1, Some(17)));
    assert_eq!(of_level(2), (0, Some(1)));
    assert_eq!(tiles.len(), 273 + 1 + 1 + 1 + 1);
    // "A tree of size 256 …"
    let names: Vec<_> = Tile::between(0, 256).map(|tile| tile.to_string()).collect();
    assert_eq!(names, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
}

#[test]
fn other_spellings_of_a_path_are_refused() {
    for good in [
        "tile/0/000",
        "tile/63/x999/999.p/255",
        "tile/entries/x001/000.p/1",
    ] {
        assert_eq!(good.parse::<Tile>().unwrap().to_string(), good);
    }
    for bad in [
        "",
        "tile/0/0",
        "tile/0/1000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/../../key",
        "tile/entries/",
        "tile/data/000",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(bad.parse::<Tile>().is_err(), "{bad}");
    }
}

/// The other library has Go's paths, which name the height of tiles too.
fn their_path(tile: &TheirTile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

/// All tiles of a growing log, as its operator writes them.
fn files(leaves: &Leaves, sizes: &[u64]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut old = 0;
    for &size in sizes {
        for tile in Tile::between(old, size) {
            let TileKind::Hashes { level } = tile.kind() else {
                continue;
            };
            let nodes = tile.start()..tile.start() + u64::from(tile.width());
            let bytes = nodes.flat_map(|index| {
                let node = Node {
                    level: level * 8,
                    index,
                };
                leaves.node(node).unwrap().0
            });
            files.insert(tile.to_string(), bytes.collect());
        }
        old = size;
    }
    files
}

/// The other library's reader, over the same files.
struct Reader<'a>(&'a BTreeMap<String, Vec<u8>>);

impl tlog_tiles::TileReader for Reader<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[TheirTile]) -> Result<Vec<Vec<u8>>, tlog_tiles::tlog::Error> {
        Ok(tiles
            .iter()
            .map(|tile| self.0[&their_path(tile)].clone())
            .collect())
    }

    fn save_tiles(&self, _: &[TheirTile], _: &[Vec<u8>]) {}
}

#[test]
fn another_library_reads_our_tiles_and_proves_from_them_what_we_prove() {
    let size = 70_000;
    let leaves = Leaves::numbered(size);
    let files = files(&leaves, &[1, 255, 256, 300, 65_536, size]);
    let head = leaves.head(size);
    let reader = Reader(&files);
    let tree = tlog_tiles::TileHashReader::new(size, tlog_tiles::Hash(head.root.0), &reader);
    let from_tiles = |node| {
        let (tile, hashes) = Tile::of_node(node, size).unwrap();
        let tile = tile.hashes(&files[&tile.to_string()]).unwrap();
        Ok::<_, std::convert::Infallible>(subtree_root(&tile[hashes]))
    };
    for index in [0, 1, 255, 256, 65_535, 65_536, size - 1] {
        let theirs = tlog_tiles::prove_record(size, index, &tree).unwrap();
        let ours = prove_inclusion(index, size, from_tiles).unwrap();
        assert!(
            ours.iter()
                .map(|hash| hash.0)
                .eq(theirs.iter().map(|hash| hash.0))
        );
        let theirs = tlog_tiles::prove_tree(size, index + 1, &tree).unwrap();
        let ours = prove_consistency(index + 1, size, from_tiles).unwrap();
        assert!(
            ours.iter()
                .map(|hash| hash.0)
                .eq(theirs.iter().map(|hash| hash.0))
        );
    }
    let frontier = Frontier::read(size, from_tiles).unwrap();
    assert_eq!(frontier.head(), head);
}

proptest! {
    #[test]
    fn the_tiles_between_two_sizes_are_those_of_another_library(old in 0u64..200_000, more in 0u64..1_000) {
        let new = old + more;
        let ours = Tile::between(old, new).filter(|tile| tile.kind() != TileKind::Entries);
        let mut ours: Vec<_> = ours.map(|tile| tile.to_string()).collect();
        let theirs = TheirTile::new_tiles(8, old, new);
        let mut theirs: Vec<_> = theirs.iter().map(their_path).collect();
        ours.sort();
        theirs.sort();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn a_path_is_that_of_another_library_and_comes_back(
        level in 0u8..64, index in 0u64..1 << 50, width in 1u16..=256, entries: bool,
    ) {
        let theirs = if entries {
            let mut tile = TheirTile::new(8, 0, index, u32::from(width), false);
            tile.set_is_data();
            their_path(&tile).replace("data", "entries")
        } else {
            their_path(&TheirTile::new(8, level, index, u32::from(width), false))
        };
        prop_assert_eq!(theirs.parse::<Tile>().unwrap().to_string(), theirs);
    }

    #[test]
    fn no_text_makes_the_path_panic(text in "(tile/)?(entries|[0-9]{0,3})(/x?[0-9]{0,4}){0,9}(.p/[0-9]{0,4})?") {
        if let Ok(tile) = text.parse::<Tile>() {
            prop_assert_eq!(tile.to_string(), text);
        }
    }

    #[test]
    fn a_bundle_comes_back_as_it_went(
        entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..20),
    ) {
        let mut bundle = EntryBundle::default();
        for entry in &entries {
            bundle.push(entry).unwrap();
        }
        let tile = Tile::of_tree(TileKind::Entries, 0, entries.len() as u64).unwrap();
        let read = EntryBundle::parse(tile, bundle.as_bytes().to_vec()).unwrap();
        prop_assert_eq!(&read, &bundle);
        prop_assert_eq!(read.entries().collect::<Vec<_>>(), entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let wider = Tile::of_tree(TileKind::Entries, 0, entries.len() as u64 + 1).unwrap();
        let refused = EntryBundle::parse(wider, bundle.as_bytes().to_vec());
        prop_assert_eq!(refused, Err(BundleError::Count { tile: wider, actual: entries.len() }));
        let mut longer = bundle.as_bytes().to_vec();
        longer.push(0);
        prop_assert!(EntryBundle::parse(tile, longer).is_err());
    }

    #[test]
    fn no_bytes_make_a_bundle_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), width in 1u64..=256) {
        let tile = Tile::of_tree(TileKind::Entries, 0, width).unwrap();
        let _ = EntryBundle::parse(tile, bytes.clone());
        let hashes = tile.hashes(&bytes);
        prop_assert_eq!(hashes.is_ok(), bytes.len() as u64 == width * 32);
    }
}

#[test]
fn an_entry_that_does_not_fit_a_bundle_is_refused() {
    let mut bundle = EntryBundle::default();
    assert_eq!(bundle.push(&vec![0; MAX_ENTRY_SIZE]), Ok(()));
    let refused = bundle.push(&vec![0; MAX_ENTRY_SIZE + 1]);
    assert_eq!(refused, Err(BundleError::EntrySize(MAX_ENTRY_SIZE + 1)));
    assert_eq!(bundle.count(), 1);
}
