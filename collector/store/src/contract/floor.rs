//! Floor plans: the newest of each room is kept.

use std::path::Path;

use super::{Open, at, id, info};
use crate::Change;
use crate::floor::{FloorPicture, FloorPlace, FloorPlan, PictureFormat};

pub(super) fn floor_plans(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let picture = FloorPicture { sha256: "ab".into(), format: PictureFormat::Png, width: 800, height: 600 };
    let place = FloorPlace { device: id(1), x: 250, y: 1000 };
    let plan = |room: &str, version: u64, places: Vec<FloorPlace>| FloorPlan {
        room: room.into(),
        version,
        picture: Some(picture.clone()),
        places,
    };
    let put = |plan: &FloorPlan| Change::FloorPlan(Box::new(plan.clone()));
    let image = |content: &[u8]| Change::FloorPicture { room: "Phòng máy".into(), content: content.to_vec() };
    let (first, other) = (plan("Phòng máy", 1, Vec::new()), plan("Tầng 2", 1, vec![place.clone()]));
    store
        .commit(&[Change::Device { info: info(1), at: at(1) }, put(&first), image(b"old"), put(&other)])
        .expect("commits");
    let next = plan("Phòng máy", 2, vec![place]);
    store.commit(&[put(&next), image(b"new")]).expect("commits");
    drop(store);
    let store = open(dir);
    let reader = store.reader().expect("reads");
    assert_eq!(reader.floor_plan("Phòng máy").expect("reads"), Some(next));
    assert_eq!(reader.floor_plan("Tầng 2").expect("reads"), Some(other));
    assert_eq!(reader.floor_plan("Tầng 20").expect("reads"), None);
    assert_eq!(reader.floor_picture("Phòng máy").expect("reads").as_deref(), Some(&b"new"[..]));
    assert_eq!(reader.floor_picture("Tầng 2").expect("reads"), None);
}
