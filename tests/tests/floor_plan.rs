//! Floor plans: a picture of a room is what it holds and nothing else, devices stand on it by a form without a script, and each sees rooms within reach alone.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_tests::harness::Rig;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::roles::{SessionClient, settled};

/// A picture of one colour, as ImageMagick's `convert -size 80x60 xc:white` would write its beginning: its size is what counts.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x50\0\0\0\x3c\x08\x02\0\0\0";

/// Sends a file by the page's form; the status and what was answered.
async fn upload(rig: &Rig, client: &SessionClient, room: &str, content: &[u8]) -> (u16, String) {
    let file = rig.dir().join("picture");
    std::fs::write(&file, content).unwrap();
    let base = format!("https://localhost:{}", rig.web);
    let mut command = Command::new("curl");
    command.args(["-ks", "-w", "\n%{http_code}", "-b"]).arg(&client.jar).args(["-H", &format!("origin: {base}")]);
    command.args([
        "-F",
        &format!("room={room}"),
        "-F",
        &format!("file=@{};type=image/png;filename=a.png", file.display()),
    ]);
    let output =
        command.arg(format!("{base}/plan/floor/picture?room={}", room.replace(' ', "%20"))).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (text, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_stand_on_a_room_s_picture_and_only_pictures_are_taken() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    for (device, place) in [("may-1", "Phòng A/Tủ 1"), ("may-2", "Phòng A/Tủ 2"), ("may-3", "Phòng B")] {
        let device = json!({ "device": device, "kind": "server", "name": format!("Tên {device}"), "place": place });
        rig.post("/api/v1/devices", device).await.unwrap();
    }
    let lan = settled(&rig, "lan", json!({ "name": "lan", "full_name": "Lan", "role": "technician" })).await;
    let account = json!({ "name": "minh", "full_name": "Minh", "role": "technician", "places": ["Phòng B"] });
    let minh = settled(&rig, "minh", account).await;
    let xem = settled(&rig, "xem", json!({ "name": "xem", "full_name": "Xem", "role": "viewer" })).await;
    // What is called a picture and is none stays out, and says why.
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    for content in [&svg[..], b"GIF89a\x50\0\x3c\0", b"<html><script>1</script>", &PNG[..20]] {
        let (status, page) = upload(&rig, &lan, "Phòng A", content).await;
        assert!(status == 409 && page.contains("không phải ảnh PNG, JPEG hay WebP"), "{status}");
    }
    let wide = [&PNG[..16], b"\0\0\x7f\xff\0\0\0\x3c", &PNG[24..]].concat();
    assert!(upload(&rig, &lan, "Phòng A", &wide).await.1.contains("điểm ảnh mỗi chiều"));
    let large = [PNG, &vec![0; 3 << 20]].concat();
    let (status, page) = upload(&rig, &lan, "Phòng A", &large).await;
    assert!(status == 409 && page.contains("nhiều nhất 2 MB"), "{status}");
    assert_eq!(lan.ask("GET", "/plan/floor/picture?room=Ph%C3%B2ng%20A", None).await.0, 404, "nothing was kept");
    assert_eq!(upload(&rig, &xem, "Phòng A", PNG).await.0, 403);
    assert_eq!(upload(&rig, &minh, "Phòng A", PNG).await.0, 404, "another's room");
    assert_eq!(upload(&rig, &lan, "Phòng A", PNG).await.0, 303);
    // It is given back as what it is, and runs nothing.
    let base = format!("https://localhost:{}", rig.web);
    let mut command = Command::new("curl");
    command.args(["-ksi", "-b"]).arg(&xem.jar).arg(format!("{base}/plan/floor/picture?room=Ph%C3%B2ng%20A"));
    let head = String::from_utf8_lossy(&command.output().await.unwrap().stdout).to_lowercase();
    for line in
        ["content-type: image/png", "x-content-type-options: nosniff", "content-security-policy: default-src 'none';"]
    {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert_eq!(minh.ask("GET", "/plan/floor/picture?room=Ph%C3%B2ng%20A", None).await.0, 404);
    // Devices are placed by a form; what cannot be is refused and stays typed.
    let plan = || async {
        serde_json::from_str::<Value>(&lan.ask("GET", "/api/v1/floor-plan?room=Ph%C3%B2ng%20A", None).await.1).unwrap()
    };
    let version = plan().await["version"].to_string();
    let form = |places: &[(&str, &str, &str)], version: &str| {
        let mut fields = vec![("room".to_owned(), "Phòng A".to_owned()), ("version".to_owned(), version.to_owned())];
        for (device, x, y) in places {
            fields.extend(
                [("device", *device), ("x", *x), ("y", *y)].map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
        }
        let (jar, base) = (lan.jar.clone(), base.clone());
        async move {
            let mut command = Command::new("curl");
            command.args(["-ks", "-w", "\n%{http_code}", "-b"]).arg(&jar).args(["-H", &format!("origin: {base}")]);
            for (name, value) in fields {
                command.args(["--data-urlencode", &format!("{name}={value}")]);
            }
            let output = command.arg(format!("{base}/plan/floor")).output().await.unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let (text, status) = text.rsplit_once('\n').unwrap();
            (status.parse::<u16>().unwrap(), text.to_owned())
        }
    };
    let beyond = form(&[("may-1", "120", "5")], &version).await;
    assert!(beyond.0 == 409 && beyond.1.contains("Tên may-1") && beyond.1.contains("value=\"120\""), "{}", beyond.0);
    assert_eq!(form(&[("may-3", "1", "1")], &version).await.0, 409, "it stands in another room");
    assert_eq!(form(&[("may-1", "12,5", "40"), ("may-2", "", "")], &version).await.0, 303);
    let placed = plan().await;
    assert_eq!(placed["places"], json!([{ "device": "may-1", "x": 12.5, "y": 40.0 }]), "{placed}");
    let stale = form(&[("may-2", "1", "1")], &version).await;
    assert!(stale.0 == 409 && stale.1.contains("Có người vừa sửa"), "{}", stale.0);
    // Whoever looks at the room sees it there in its colour.
    let shown = xem.ask("GET", "/plan?room=Ph%C3%B2ng%20A", None).await.1;
    assert!(shown.contains("cx=\"125\" cy=\"300\"") && shown.contains("/plan/floor/picture?room="), "{shown}");
    assert!(!shown.contains("Sửa mặt bằng"), "who may not change it is not asked to");
    let log = rig.get("/api/v1/audit?limit=100").await.unwrap().to_string();
    assert!(log.contains("floor.pictured") && log.contains("may-1: - -> 12.5 % 40.0 %"), "{log}");
    rig.stop().await.unwrap();
}
