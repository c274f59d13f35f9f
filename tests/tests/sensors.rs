//! Sensors against parts that we did not write: pymodbus over TCP and over RTU through socat's pseudo-terminals, upsd with dummy-ups,
//! the mock projector of aiopjlink; and a Modbus server that does everything wrong.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ioc_agent::sensor::builtin_profiles;
use ioc_agent::sensor::modbus::{RequestError, Wire, supervise};
use ioc_agent::sensor::request_batching::{AddressRange, RegisterTable};
use ioc_agent::sensor::settings::{Bus, BusLine, SensorIdentity, Unit};
use ioc_common::report::SensorFacts;
use ioc_tests::harness::{Rig, binary, eventually, free_port, python};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A peer in Python, in the environment that scripts/test makes.
struct Peer {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    async fn start(script: &str, arguments: &[&str], first: &Value) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(python())
            .arg(root.join("peers").join(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut peer = Self { _child: child, input, output };
        peer.say(first).await;
        peer
    }

    /// Tells it something, and waits until it has taken it.
    async fn say(&mut self, what: &Value) {
        self.input.write_all(format!("{what}\n").as_bytes()).await.unwrap();
        let line = tokio::time::timeout(Duration::from_secs(120), self.output.next_line()).await.unwrap().unwrap();
        assert!(matches!(line.as_deref(), Some("ready" | "changed")), "{line:?}");
    }
}

/// What `ioc-agent sensor …` prints, and whether it was content.
async fn sensor(arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new(binary("ioc-agent")).arg("sensor").args(arguments).stdin(Stdio::null()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// The value in a line of `sensor test`.
fn shown(text: &str, series: &str) -> String {
    let line =
        text.lines().find(|line| line.starts_with(&format!("{series} "))).unwrap_or_else(|| panic!("{series}: {text}"));
    // Its words stand apart by two spaces or more.
    line.rsplit("  ").next().unwrap().trim().to_owned()
}

/// The words of a float, highest first.
fn float(value: f32) -> [u16; 2] {
    let bits = value.to_bits();
    [(bits >> 16) as u16, bits as u16]
}

fn units() -> Value {
    let mut meter = vec![0_u16; 80];
    for (place, value) in [(0, 230.2), (6, 5.25), (12, 1200.0), (52, 3450.0), (70, 50.0), (72, 1234.5)] {
        meter[place..place + 2].copy_from_slice(&float(value));
    }
    json!({
        "1": { "4": { "1": [305, 546] } },
        "2": { "3": { "0": [0, 0x2002], "18": [0, 0, 0, 0, 0, 4], "128": [0, 2460, 51200, 874], "133": [8735],
                      "135": [2560, 6016], "142": [14720], "144": [6400], "151": [14768],
                      "564": [0x4153, 0x3132, 0x3334, 0x3536, 0x3738, 0x3930, 0x2020, 0x2020] } },
        "3": { "4": { "0": meter } },
        "4": { "2": { "0": [1, 0, 1, 0, 0, 0, 0, 0] } },
        "5": { "3": { "2": [0, 220, 0xFFFB] }, "1": { "9": vec![0; 60] } },
    })
}

#[tokio::test]
async fn profiles_read_what_pymodbus_serves_over_tcp() {
    let port = free_port().to_string();
    let _server = Peer::start("modbus_server.py", &["--tcp", &port], &units()).await;
    let address = format!("127.0.0.1:{port}");
    let test = async |profile: &str, unit: &str| sensor(&["test", profile, "--tcp", &address, "--unit", unit]).await;
    let (good, text) = test("xy-md02", "1").await;
    assert!(good, "{text}");
    assert_eq!((shown(&text, "env.temperature"), shown(&text, "env.humidity")), ("30.5 °C".into(), "54.6 %".into()));
    assert!(text.contains("0131"), "raw words: {text}");
    // The server has gaps, so that the requests are refused as a whole and read in pieces.
    let (_, text) = test("apc-ups", "2").await;
    for (series, value) in [
        ("ups.charge", "100 %"),
        ("ups.runtime", "2460 s"),
        ("ups.load", "23.5 %"),
        ("ups.on_battery", "0"),
        ("serial", "AS1234567890"),
    ] {
        assert_eq!(shown(&text, series), value, "{text}");
    }
    let (good, text) = test("eastron-sdm630", "3").await;
    assert!(good && shown(&text, "electric.voltage|L1") == "230.2 V", "{text}");
    assert_eq!(shown(&text, "electric.energy"), "1234.5 kWh");
    let (good, text) = test("contacts", "4").await;
    assert!(good && shown(&text, "contact.alarm|3") == "1", "{text}");
    let (_, text) = test("carel-ir33", "5").await;
    assert_eq!(shown(&text, "env.temperature|probe 1"), "-0.5 °C", "{text}");
    // The wrong map of the two that are published is told by its exception.
    let (good, text) = test("xy-md02-holding", "1").await;
    assert!(!good && text.contains("exception 2") && text.contains("nothing at this address"), "{text}");
    let (good, text) = sensor(&["scan", "--tcp", &address, "--last", "6", "--timeout", "500"]).await;
    assert!(good && text.contains("unit   5") && !text.contains("unit   6"), "{text}");
}

#[tokio::test]
async fn a_serial_line_is_read_through_pseudo_terminals() {
    let dir = tempfile::tempdir().unwrap();
    let ends = [dir.path().join("ours"), dir.path().join("theirs")];
    let pty = |end: &PathBuf| format!("pty,rawer,link={}", end.display());
    let _socat = Command::new("socat").args([pty(&ends[0]), pty(&ends[1])]).kill_on_drop(true).spawn().expect("socat");
    eventually("pseudo-terminals", || async { ends.iter().all(|end| end.exists()) }).await.unwrap();
    let _server = Peer::start("modbus_server.py", &["--serial", ends[1].to_str().unwrap()], &units()).await;
    let ours = ends[0].to_str().unwrap();
    let (good, text) = sensor(&["test", "xy-md02", "--serial", ours, "--unit", "1"]).await;
    assert!(good && shown(&text, "env.temperature") == "30.5 °C", "{text}");
    // A unit that is not there is silent on a serial line, and the next one is read all the same.
    let line = BusLine::Serial {
        path: ends[0].clone(),
        baud: 9600,
        parity: ioc_agent::sensor::settings::Parity::None,
        stop: 1,
    };
    let mut wire = Wire::new(line, Duration::from_millis(2000));
    let humidity = AddressRange { table: RegisterTable::InputRegisters, start: 2, count: 1 };
    let silent = wire.read(77, humidity).await;
    assert!(silent.is_err(), "{silent:?}");
    assert_eq!(wire.read(1, humidity).await, Ok(vec![546]));
    let (good, text) = sensor(&["test", "xy-md02", "--serial", "/dev/no-such-line", "--unit", "1"]).await;
    assert!(!good && text.contains("/dev/serial/by-id"), "{text}");
}

/// How a unit of the server of faults behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    Exception(u8),
    WrongTransaction,
    WrongUnit,
    WrongFunction,
    Late,
    ByteByByte,
    Closes,
    TooFew,
    Rubbish,
    Never,
}

/// A Modbus TCP server whose units behave as told, and which counts what it is asked.
async fn fault_server(units: HashMap<u8, Fault>) -> (u16, Arc<Mutex<HashMap<u8, u32>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(HashMap::new()));
    let counts = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((peer, _)) = listener.accept().await {
            tokio::spawn(serve(peer, units.clone(), Arc::clone(&counts)));
        }
    });
    (port, asked)
}

async fn serve(mut peer: TcpStream, units: HashMap<u8, Fault>, asked: Arc<Mutex<HashMap<u8, u32>>>) {
    let mut request = [0; 12];
    while peer.read_exact(&mut request).await.is_ok() {
        let (unit, function) = (request[6], request[7]);
        let count = u16::from_be_bytes([request[10], request[11]]);
        *asked.lock().unwrap().entry(unit).or_insert(0) += 1;
        let fault = units.get(&unit).copied().unwrap_or(Fault::Never);
        let words = if fault == Fault::TooFew { count - 1 } else { count };
        let mut pdu = vec![function, u8::try_from(words * 2).unwrap()];
        pdu.extend((0..words).flat_map(|place| (300 + place).to_be_bytes()));
        if let Fault::Exception(code) = fault {
            pdu = vec![function | 0x80, code];
        }
        if fault == Fault::WrongFunction {
            pdu[0] = 3;
        }
        let mut answer = vec![request[0], request[1], 0, 0];
        answer.extend(u16::try_from(pdu.len() + 1).unwrap().to_be_bytes());
        answer.push(if fault == Fault::WrongUnit { unit + 1 } else { unit });
        answer.extend(&pdu);
        match fault {
            Fault::Never => continue,
            Fault::WrongTransaction => answer[1] = answer[1].wrapping_add(1),
            Fault::Rubbish => answer = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            Fault::Late => tokio::time::sleep(Duration::from_millis(3000)).await,
            Fault::Closes => {
                let _ = peer.write_all(&answer[..5]).await;
                return;
            }
            _ => {}
        }
        for piece in answer.chunks(if fault == Fault::ByteByByte { 1 } else { 1000 }) {
            if peer.write_all(piece).await.is_err() {
                return;
            }
            if fault == Fault::ByteByByte {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
}

#[tokio::test]
async fn everything_a_server_can_do_wrong_is_named_and_the_next_request_is_read() {
    let faults = [
        (1, Fault::None, ""),
        (2, Fault::Exception(2), "exception 2 (it has nothing at this address)"),
        (3, Fault::Exception(11), "the gateway has no answer from it"),
        (4, Fault::WrongTransaction, "another request"),
        (6, Fault::WrongUnit, "another request"),
        (8, Fault::WrongFunction, "another function"),
        (10, Fault::Late, "no answer within 1500 ms"),
        (12, Fault::ByteByByte, ""),
        (14, Fault::Closes, "closed the connection"),
        (16, Fault::TooFew, "1 places where 2"),
        (18, Fault::Rubbish, "no answer within 1500 ms"),
        (20, Fault::Never, "no answer within 1500 ms"),
    ];
    let (port, _) = fault_server(faults.iter().map(|(unit, fault, _)| (*unit, *fault)).collect()).await;
    let mut wire = Wire::new(BusLine::Tcp { host: "127.0.0.1".into(), port }, Duration::from_millis(1500));
    let at = AddressRange { table: RegisterTable::InputRegisters, start: 0, count: 2 };
    for (unit, fault, says) in faults {
        let got = wire.read(unit, at).await;
        match &got {
            Ok(words) => assert!(says.is_empty() && *words == [300, 301], "{fault:?}: {words:?}"),
            Err(error) => assert!(!says.is_empty() && error.to_string().contains(says), "{fault:?}: {error}"),
        }
        if let Err(error) = &got {
            assert_eq!(error.is_answer(), fault == Fault::Exception(2), "{fault:?}: {error}");
        }
        // Whatever came, and whatever of it comes late, is not taken for the answer to the next request.
        assert_eq!(wire.read(1, at).await, Ok(vec![300, 301]), "after {fault:?}");
    }
    // A server that is not there, and then is.
    let gone = free_port();
    let mut wire = Wire::new(BusLine::Tcp { host: "127.0.0.1".into(), port: gone }, Duration::from_millis(1500));
    assert!(matches!(wire.read(1, at).await, Err(RequestError::Line { .. })));
}

#[tokio::test]
async fn a_dead_unit_does_not_slow_its_neighbours() {
    let live: Vec<u8> = (1..=8).collect();
    let behaviours = live.iter().map(|unit| (*unit, Fault::None)).chain([(9, Fault::Never)]).collect();
    let (port, asked) = fault_server(behaviours).await;
    let profile = Arc::new(builtin_profiles::find("xy-md02", Path::new("/nonexistent")).unwrap());
    let unit = |number: u8| Unit {
        about: SensorIdentity { name: format!("unit-{number}").parse().unwrap(), facts: SensorFacts::default() },
        number,
        profile: Arc::clone(&profile),
        every: Duration::from_millis(200),
        contacts: BTreeMap::new(),
        inverted: Vec::new(),
    };
    let bus = Bus {
        line: BusLine::Tcp { host: "127.0.0.1".into(), port },
        timeout: Duration::from_millis(1000),
        tries: 2,
        units: live.iter().copied().chain([9]).map(unit).collect(),
    };
    let failed = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&failed);
    let tell = move |unit: &Unit, result: Result<_, (String, bool)>| {
        if let Err((why, _)) = result {
            told.lock().unwrap().push((unit.number, why));
        }
    };
    let polling = tokio::spawn(supervise(bus, Arc::new(tell)));
    tokio::time::sleep(Duration::from_secs(8)).await;
    polling.abort();
    let counts = asked.lock().unwrap().clone();
    // Each would be asked 40 times; were they held up by the dead one's second each round, it would be fewer than eight.
    for unit in live {
        assert!(counts[&unit] >= 16, "unit {unit}: {counts:?}");
    }
    assert!((2..=8).contains(&counts[&9]), "asked more and more seldom: {counts:?}");
    assert!(failed.lock().unwrap().iter().all(|(unit, why)| *unit == 9 && why.contains("no answer")), "{failed:?}");
}

async fn device(rig: &Rig, id: &str) -> Value {
    rig.get(&format!("/api/v1/devices/{id}")).await.unwrap_or(Value::Null)
}

async fn raised(rig: &Rig, id: &str) -> Vec<String> {
    let faults = rig.get(&format!("/api/v1/faults?active=true&device={id}")).await.unwrap_or_default();
    let faults = faults["items"].as_array().cloned().unwrap_or_default();
    faults.iter().map(|fault| fault["rule"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_sensor_is_a_device_of_its_own_from_the_wire_to_the_incident() {
    let port = free_port().to_string();
    let mut server = Peer::start("modbus_server.py", &["--tcp", &port], &units()).await;
    let mut rig = Rig::new("");
    rig.hurry();
    rig.start().await.unwrap();
    let sensors = format!(
        "[report]\ninterval = \"1s\"\n[[modbus]]\ntcp = \"127.0.0.1:{port}\"\nevery = \"300ms\"\n\
         [[modbus.unit]]\nname = \"room\"\nnumber = 1\nprofile = \"xy-md02\"\ntitle = \"Nhiệt độ phòng máy\"\nroom = \"P.101\"\n\
         [[modbus.unit]]\nname = \"ups\"\nnumber = 2\nprofile = \"apc-ups\"\nroom = \"P.101\"\n\
         [[modbus.unit]]\nname = \"contacts\"\nnumber = 4\nprofile = \"contacts\"\ncontacts = {{ \"2\" = \"Khói\" }}\n"
    );
    let mut agent = rig.agent("gateway", &sensors).await.unwrap();
    agent.start().unwrap();
    eventually("the room is known", || async {
        device(&rig, "gateway.room").await["values"]["env.temperature"] == 30.5
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}\n{}", agent.log(), rig.log()));
    let room = device(&rig, "gateway.room").await;
    assert_eq!(
        (&room["parent"], &room["place"], &room["kind"]),
        (&json!("gateway"), &json!("P.101"), &json!("sensor"))
    );
    assert_eq!(room["name"], "Nhiệt độ phòng máy");
    assert_eq!(room["state"], "live");
    eventually("the UPS is known", || async {
        let ups = device(&rig, "gateway.ups").await;
        ups["kind"] == "ups"
            && ups["hello"]["facts"]["serial"] == "AS1234567890"
            && ups["values"]["ups.on_battery"] == 0.0
    })
    .await
    .unwrap();
    eventually("contacts are known", || async {
        device(&rig, "gateway.contacts").await["values"]["contact.alarm|Khói"] == 0.0
    })
    .await
    .unwrap();
    // Mains lost, and smoke: told at once, each on its own device.
    server.say(&json!({ "2": { "3": { "0": [0, 4] } }, "4": { "2": { "1": [1] } } })).await;
    eventually("mains lost", || async { raised(&rig, "gateway.ups").await.contains(&"ups-on-battery".to_owned()) })
        .await
        .unwrap();
    eventually("smoke", || async { raised(&rig, "gateway.contacts").await.contains(&"contact-alarm".to_owned()) })
        .await
        .unwrap();
    let rooms = rig.get("/api/v1/rooms").await.unwrap();
    let room =
        rooms.as_array().unwrap().iter().find(|room| room["name"] == "P.101").unwrap_or_else(|| panic!("{rooms}"));
    assert_eq!(room["ups"][0]["mains"], false, "{room}");
    server.say(&json!({ "2": { "3": { "0": [0, 0x2002] } } })).await;
    eventually("mains back", || async { raised(&rig, "gateway.ups").await.is_empty() }).await.unwrap();
    // The line is lost: nothing is known any more, and nobody says that power is.
    drop(server);
    eventually("communication lost", || async { device(&rig, "gateway.ups").await["values"]["sensor.up"] == 0.0 })
        .await
        .unwrap();
    let ups = device(&rig, "gateway.ups").await;
    assert_eq!(ups["values"]["ups.on_battery"], Value::Null, "{ups}");
    eventually("said so", || async { raised(&rig, "gateway.ups").await == ["sensor-unreachable"] }).await.unwrap();
    // The collector restarts and still knows whose sensor it is; the agent goes on.
    rig.kill().await.unwrap();
    rig.start().await.unwrap();
    let _server = Peer::start("modbus_server.py", &["--tcp", &port], &units()).await;
    eventually("read again", || async {
        device(&rig, "gateway.ups").await["values"]["ups.on_battery"] == 0.0
            && raised(&rig, "gateway.ups").await.is_empty()
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}\n{}", agent.log(), rig.log()));
    agent.stop().await.unwrap();
    eventually("away with its host", || async { device(&rig, "gateway.room").await["state"] == "away" }).await.unwrap();
}

/// upsd and dummy-ups of Network UPS Tools, in a directory of their own.
struct Nut {
    dir: tempfile::TempDir,
    port: u16,
    upsd: Child,
    driver: Option<Child>,
}

impl Nut {
    async fn start(state: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (port, place) = (free_port(), dir.path().to_owned());
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o777)).unwrap();
        let file = |name: &str, text: &str| std::fs::write(place.join(name), text).unwrap();
        file("smart.dev", state);
        file(
            "ups.conf",
            &format!(
                "maxretry = 1\nstatepath = {}\n[smart]\ndriver = dummy-ups\nport = {}\nmode = dummy-loop\n",
                place.display(),
                place.join("smart.dev").display()
            ),
        );
        file("upsd.conf", &format!("LISTEN 127.0.0.1 {port}\nSTATEPATH {}\nMAXAGE 5\n", place.display()));
        file("upsd.users", "[watch]\npassword = dao-dem\n");
        let mut nut = Self { driver: None, upsd: Self::upsd(&place), dir, port };
        nut.start_driver();
        nut
    }

    fn environment(command: &mut Command, place: &Path) {
        command.env("NUT_CONFPATH", place).env("NUT_STATEPATH", place).env("NUT_ALTPIDPATH", place);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    }

    fn upsd(place: &Path) -> Child {
        let mut command = Command::new("/lib/nut/upsd");
        command.args(["-F", "-u", "root"]);
        Self::environment(&mut command, place);
        command.spawn().expect("upsd; scripts/test installs nut-server")
    }

    fn start_driver(&mut self) {
        let mut command = Command::new("/lib/nut/dummy-ups");
        command.args(["-a", "smart", "-F", "-u", "root"]);
        Self::environment(&mut command, self.dir.path());
        self.driver = Some(command.spawn().expect("dummy-ups"));
    }

    fn say(&self, state: &str) {
        std::fs::write(self.dir.path().join("smart.dev"), state).unwrap();
    }
}

const ON_LINE: &str = "ups.status: OL CHRG\nbattery.charge: 96\nbattery.runtime: 1800\nups.load: 24\ninput.voltage: 221.5\n\
    battery.date: 2026/01/10\nups.test.result: Done and passed\ndevice.mfr: APC\ndevice.model: Smart-UPS 1500\ndevice.serial: AS123\nTIMER 1\n";
const ON_BATTERY: &str =
    "ups.status: OB DISCHRG LB\nbattery.charge: 12\nbattery.runtime: 90\nups.load: 24\ninput.voltage: 0\nTIMER 1\n";

#[tokio::test]
async fn a_ups_behind_nut_on_mains_on_battery_and_out_of_sight() {
    let mut nut = Nut::start(ON_LINE).await;
    let server = format!("127.0.0.1:{}", nut.port);
    eventually("upsd answers", || async { sensor(&["nut", &server, "smart"]).await.1.contains("ups.charge") })
        .await
        .unwrap();
    let (_, text) = sensor(&["nut", &server, "smart"]).await;
    assert!(text.contains("Smart-UPS 1500") && shown(&text, "ups.charge") == "96 %", "{text}");
    let (good, text) = sensor(&["nut", &server, "other"]).await;
    assert!(!good && text.contains("UNKNOWN-UPS") && text.contains("upsc -l"), "{text}");

    let mut rig = Rig::new("");
    rig.hurry();
    rig.start().await.unwrap();
    let config = format!(
        "[report]\ninterval = \"1s\"\n[[nut]]\nname = \"ups\"\nserver = \"{server}\"\nups = \"smart\"\nevery = \"500ms\"\nroom = \"P.102\"\n"
    );
    let mut agent = rig.agent("host", &config).await.unwrap();
    agent.start().unwrap();
    let is = async |metric: &str, value: Value| device(&rig, "host.ups").await["values"][metric] == value;
    eventually("on mains", || is("ups.on_battery", json!(0.0)))
        .await
        .unwrap_or_else(|e| panic!("{e}\n{}", agent.log()));
    assert!(is("ups.input_voltage", json!(221.5)).await);
    nut.say(ON_BATTERY);
    eventually("on battery", || is("ups.on_battery", json!(1.0))).await.unwrap();
    eventually("told", || async {
        let raised = raised(&rig, "host.ups").await;
        raised.contains(&"ups-on-battery".to_owned()) && raised.contains(&"ups-low-battery".to_owned())
    })
    .await
    .unwrap();
    // The driver dies: upsd has stale data, which says nothing of the mains.
    nut.say(ON_LINE);
    eventually("on mains again", || is("ups.on_battery", json!(0.0))).await.unwrap();
    nut.driver.take().unwrap().kill().await.unwrap();
    eventually("link lost", || is("ups.linked", json!(0.0))).await.unwrap();
    assert!(is("ups.on_battery", Value::Null).await && is("sensor.up", json!(1.0)).await);
    eventually("said so", || async { raised(&rig, "host.ups").await == ["ups-link-lost"] }).await.unwrap();
    // upsd itself dies: that is another thing.
    nut.upsd.kill().await.unwrap();
    eventually("upsd lost", || is("sensor.up", json!(0.0))).await.unwrap();
    assert!(is("ups.linked", Value::Null).await);
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_projector_with_a_password_answers_and_a_wrong_one_is_refused() {
    let port = free_port();
    let (challenge, password) = ("498e4a67", "JBMIAProjectorLink");
    let script = |class: &str| {
        let first = format!("{}%1CLSS ?\r", ioc_agent::sensor::pjlink::digest(challenge, password));
        let mut script = vec![json!([first, format!("%1CLSS={class}\r")])];
        let answers = [
            ("1POWR", "1"),
            ("1ERST", "010002"),
            ("1INPT", "32"),
            ("1AVMT", "30"),
            ("1LAMP", "3120 1"),
            ("1NAME", "Phòng họp"),
            ("1INF1", "EPSON"),
            ("1INF2", "EB-L200"),
            ("1INFO", "x"),
            ("2SNUM", "X4BC123"),
            ("2SVER", "1.04"),
            ("2FILT", "ERR1"),
        ];
        script.extend(
            answers
                .iter()
                .filter(|(query, _)| class == "2" || query.starts_with('1'))
                .map(|(query, answer)| json!([format!("%{query} ?\r"), format!("%{query}={answer}\r")])),
        );
        json!({ "greeting": format!("PJLINK 1 {challenge}\r"), "script": script })
    };
    let _mock = Peer::start("pjlink_mock.py", &[&port.to_string()], &script("2")).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    let address = format!("127.0.0.1:{port}");
    let (good, text) = sensor(&["pjlink", &address, "--password-file", file.to_str().unwrap()]).await;
    assert!(good && text.contains("EPSON EB-L200 X4BC123 1.04"), "{text}");
    for (series, value) in [
        ("projector.power", "1"),
        ("projector.errors|lamp", "1"),
        ("projector.errors|other", "2"),
        ("projector.errors|fan", "0"),
        ("projector.input", "32"),
        ("projector.muted", "0"),
        ("projector.lamp_hours|1", "3120 h"),
    ] {
        assert_eq!(shown(&text, series), value, "{text}");
    }
    let (good, text) = sensor(&["pjlink", &address]).await;
    assert!(!good && text.contains("password_file"), "{text}");
    let class_1 = free_port();
    let _mock = Peer::start("pjlink_mock.py", &[&class_1.to_string()], &script("1")).await;
    let (good, text) =
        sensor(&["pjlink", &format!("127.0.0.1:{class_1}"), "--password-file", file.to_str().unwrap()]).await;
    assert!(good && shown(&text, "projector.lamp_hours|1") == "3120 h", "{text}");
}

#[tokio::test]
async fn a_plain_sensor_with_its_own_certificate_is_mapped_by_a_profile() {
    use ioc_common::topic::UpKind;
    use ioc_tests::link::Link;
    let mut rig = Rig::new("[[values]]\ndevices = [\"sim-*\"]\nprofile = \"tasmota\"\n");
    rig.start().await.unwrap();
    let identity = rig.enrol(1).await.unwrap().remove(0);
    let id = identity.device.to_string();
    let (mut link, _) = Link::open(&identity, 60).await.unwrap();
    let mut say = async |text: &str| {
        let packet = link.publish(UpKind::Values, text.as_bytes().to_vec());
        link.send(packet).await.unwrap();
        link.hear().await.unwrap();
    };
    say(r#"{"Time":"2026-11-24T10:00:00","AM2301":{"Temperature":20.4,"Humidity":38.9}}"#).await;
    eventually("mapped", || async { device(&rig, &id).await["values"]["env.temperature"] == 20.4 }).await.unwrap();
    // Another message of the same device; what it does not hold is unknown in it.
    say(r#"{"ENERGY":{"Power":44,"Voltage":229}}"#).await;
    eventually("more", || async { device(&rig, &id).await["values"]["electric.active_power"] == 44.0 }).await.unwrap();
    let known = device(&rig, &id).await;
    assert_eq!((&known["values"]["env.temperature"], &known["state"]), (&Value::Null, &json!("live")), "{known}");
    // What no profile knows is refused with the reason, and nothing is lost by it.
    say(r#"{"nonsense": 1}"#).await;
    say(r#"{"AM2301":{"Temperature":21.5}}"#).await;
    eventually("goes on", || async { device(&rig, &id).await["values"]["env.temperature"] == 21.5 }).await.unwrap();
    rig.kill().await.unwrap();
    rig.start().await.unwrap();
    let (mut link, _) = Link::open(&identity, 60).await.unwrap();
    let packet = link.publish(UpKind::Values, br#"{"AM2301":{"Temperature":22.5}}"#.to_vec());
    link.send(packet).await.unwrap();
    eventually("after a restart", || async { device(&rig, &id).await["values"]["env.temperature"] == 22.5 })
        .await
        .unwrap();
}
