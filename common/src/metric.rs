//! The metric catalogue: every number an agent may send, with its unit, range and description in both languages.
//!
//! Names are ours and short, since they are typed into rules; `otel` gives the OpenTelemetry semantic-convention name where
//! one exists. `docs/metrics.md` is generated from this table (`ioc-collector docs metrics`).

use crate::config::{ConfigError, Source, Spanned};
use crate::language::Language;

/// A metric's entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Name, as in rules and layouts.
    pub name: &'static str,
    /// Unit, UCUM (`%`, `By`, `By/s`, `s`, `1`).
    pub unit: &'static str,
    /// Smallest plausible value.
    pub min: f64,
    /// Largest plausible value.
    pub max: f64,
    /// What the subject names, or an empty text for the device as a whole.
    pub subject: &'static str,
    /// OpenTelemetry name, or an empty text.
    pub otel: &'static str,
    /// Description, Vietnamese.
    pub vi: &'static str,
    /// Description, English.
    pub en: &'static str,
}

impl Metric {
    /// The description in this language.
    #[must_use]
    pub fn about(&self, language: Language) -> &'static str {
        language.choose(self.vi, self.en)
    }

    /// Whether `value` lies within the plausible range.
    #[must_use]
    pub fn plausible(&self, value: f64) -> bool {
        value >= self.min && value <= self.max
    }

    /// The unit as people write it behind a number; empty where it has none.
    #[must_use]
    pub fn unit_shown(&self) -> &'static str {
        match self.unit {
            "1" => "",
            "By" => "B",
            "By/s" => "B/s",
            "Cel" | "K" => "°C",
            unit => unit,
        }
    }
}

/// The entry of `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    CATALOGUE.binary_search_by(|metric| metric.name.cmp(name)).ok().map(|at| &CATALOGUE[at])
}

/// `name` as the catalogue has it; none where it has no such metric. Who needs no more of an entry carries no descriptions, as the running
/// agent.
#[must_use]
pub fn static_name(name: &str) -> Option<&'static str> {
    NAMES.binary_search(&name).ok().map(|at| NAMES[at])
}

/// The entry that a configuration names.
///
/// # Errors
/// [`ConfigError`] at the name when there is none.
pub fn from_config(source: &Source, name: &Spanned<String>) -> Result<&'static Metric, ConfigError> {
    find(name.get_ref()).ok_or_else(|| {
        let message = format!(
            "found metric {:?}; allowed are the names of the metric catalogue (docs/metrics.md)",
            name.get_ref()
        );
        source.fault(name.span(), &message, "correct the name")
    })
}

macro_rules! catalogue {
    ($($name:literal $unit:literal $min:literal .. $max:literal $subject:literal $otel:literal $vi:literal $en:literal;)*) => {
        /// Every metric, sorted by name.
        pub static CATALOGUE: &[Metric] = &[$(Metric {
            name: $name, unit: $unit, min: $min, max: $max, subject: $subject, otel: $otel, vi: $vi, en: $en,
        },)*];
        /// Their names alone.
        static NAMES: &[&str] = &[$($name,)*];
    };
}

catalogue! {
    "account.administrators" "1" 0.0..1e5 "" "" "Số tài khoản quản trị" "Accounts that may act as administrator";
    "account.empty_passwords" "1" 0.0..1e5 "" "" "Số tài khoản không có mật khẩu" "Accounts without a password";
    "account.idle" "d" 0.0..40000.0 "account" "" "Số ngày từ lần đăng nhập gần nhất" "Days since somebody last signed in with the account";
    "account.password_age" "d" 0.0..40000.0 "account" "" "Số ngày từ lần đổi mật khẩu gần nhất" "Days since the password was changed";
    "account.people" "1" 0.0..1e5 "" "" "Số tài khoản người dùng và quản trị" "Accounts of people and administrators";
    "agent.cpu_ms" "ms" 0.0..1e7 "" "process.cpu.time" "CPU mà agent đã dùng kể từ mẫu trước" "CPU the agent used since the last sample";
    "agent.lost" "1" 0.0..1e15 "" "" "Số báo cáo bị mất trước khi gửi" "Reports lost before they could be sent";
    "agent.rss" "By" 0.0..1e12 "" "process.memory.usage" "Bộ nhớ thường trú của agent" "Resident memory of the agent";
    "agent.spool_damaged" "By" 0.0..1e15 "" "" "Phần hỏng của vùng đệm đĩa, giữ đến khi có người xoá" "Damaged parts of the spool, kept until a person removes them";
    "agent.state_writable" "1" 0.0..1.0 "" "" "1 khi thư mục của agent ghi được" "1 while the agent's own directory can be written";
    "agent.waiting" "1" 0.0..1e9 "" "" "Số báo cáo đang chờ xác nhận" "Reports waiting to be committed";
    "av.detections" "1" 0.0..1e6 "product" "" "Số mã độc phát hiện trong 7 ngày" "Malware found within 7 days";
    "av.products" "1" 0.0..100.0 "" "" "Số phần mềm chống mã độc tìm thấy" "Anti-malware products found";
    "av.realtime" "1" 0.0..1.0 "product" "" "Bảo vệ thời gian thực đang bật" "Real-time protection is on";
    "av.running" "1" 0.0..1.0 "product" "" "Dịch vụ chống mã độc đang chạy" "The anti-malware service answers";
    "av.scan_age" "d" 0.0..40000.0 "product" "" "Số ngày từ lần quét gần nhất" "Days since the last scan";
    "av.signature_age" "d" 0.0..40000.0 "product" "" "Tuổi của mẫu nhận dạng mã độc" "Age of the signatures";
    "backup.age" "d" 0.0..40000.0 "job" "" "Số ngày từ lần sao lưu thành công gần nhất" "Days since the last good backup";
    "backup.ok" "1" 0.0..1.0 "job" "" "Lần sao lưu gần nhất thành công" "The last backup succeeded";
    "battery.charge" "%" 0.0..100.0 "battery" "hw.battery.charge" "Mức pin" "Charge of the battery";
    "battery.health" "%" 0.0..150.0 "battery" "" "Dung lượng pin so với thiết kế" "Full charge against the designed one";
    "cert.days" "d" -40000.0..40000.0 "certificate" "" "Số ngày còn lại của chứng thư số" "Days left of the certificate";
    "clock.error" "s" 0.0..1e12 "" "" "Độ lệch đồng hồ so với bộ thu, không dấu (bộ thu tính)" "Clock error against the collector, without sign (computed by the collector)";
    "contact.alarm" "1" 0.0..1.0 "contact" "hw.status" "Tiếp điểm báo động (khói, nước, cửa)" "A contact is in alarm (smoke, water, door)";
    "container.cpu" "%" 0.0..1e6 "container" "container.cpu.utilization" "CPU của container (% của một nhân)" "CPU of the container (% of one processor)";
    "container.memory" "By" 0.0..1e15 "container" "container.memory.usage" "Bộ nhớ của container" "Memory of the container";
    "container.memory_pct" "%" 0.0..1e6 "container" "" "Bộ nhớ của container so với hạn mức của nó" "Memory of the container against its limit";
    "container.oom_kills" "1" 0.0..1e9 "container" "" "Số tiến trình của container bị dừng vì hết bộ nhớ, từ lúc khởi động container" "Processes of the container that were killed for want of memory, since it was started";
    "container.restarts" "1" 0.0..1e9 "container" "" "Số lần container bị khởi động lại" "Restarts of the container";
    "container.running" "1" 0.0..1.0 "container" "" "Container đang chạy" "The container runs";
    "container.tasks" "1" 0.0..1e7 "container" "" "Số tiến trình và luồng của container" "Processes and threads of the container";
    "cooling.alarms" "1" 0.0..1e4 "" "hw.status" "Số báo động của điều hoà" "Alarms of the air conditioner";
    "cooling.on" "1" 0.0..1.0 "" "" "Điều hoà đang chạy" "The air conditioner runs";
    "cooling.setpoint" "Cel" -40.0..60.0 "" "" "Nhiệt độ đặt của điều hoà" "Set point of the air conditioner";
    "cpu.busy" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU bận" "CPU busy";
    "cpu.core.iowait" "%" 0.0..100.0 "core" "system.cpu.utilization" "Nhân CPU chờ vào/ra" "Core waiting for I/O";
    "cpu.core.steal" "%" 0.0..100.0 "core" "system.cpu.utilization" "Nhân CPU bị máy chủ ảo hoá lấy" "Core stolen by the hypervisor";
    "cpu.core.system" "%" 0.0..100.0 "core" "system.cpu.utilization" "Nhân CPU chạy nhân hệ điều hành và ngắt" "Core in the kernel and in interrupts";
    "cpu.core.user" "%" 0.0..100.0 "core" "system.cpu.utilization" "Nhân CPU chạy chương trình" "Core in programs";
    "cpu.corrected_errors" "1" 0.0..1e15 "" "hw.errors" "Số lần bộ xử lý báo lỗi phần cứng đã sửa, từ lúc khởi động" "Times the processors told of hardware errors that were corrected, since boot";
    "cpu.deferred_errors" "1" 0.0..1e15 "" "hw.errors" "Số lần bộ xử lý báo dữ liệu hỏng chưa dùng tới, từ lúc khởi động" "Times the processors told of spoilt data not used yet, since boot";
    "cpu.frequency" "MHz" 0.0..1e5 "" "system.cpu.frequency" "Tần số trung bình của CPU" "Mean frequency of the cores";
    "cpu.iowait" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU chờ vào/ra" "CPU waiting for I/O";
    "cpu.irq" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU xử lý ngắt" "CPU in interrupts";
    "cpu.machine_checks" "1" 0.0..1e15 "" "hw.errors" "Số lần bộ xử lý báo lỗi phần cứng không sửa được (MCE), từ lúc khởi động" "Machine check exceptions since boot: hardware errors that nothing could correct";
    "cpu.nice" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU chạy chương trình ưu tiên thấp" "CPU in low-priority programs";
    "cpu.softirq" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU xử lý ngắt mềm" "CPU in soft interrupts";
    "cpu.steal" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU bị máy chủ ảo hoá lấy" "CPU stolen by the hypervisor";
    "cpu.system" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU chạy nhân hệ điều hành" "CPU in the kernel";
    "cpu.throttled" "1/s" 0.0..1e6 "" "" "Số lần CPU bị giảm tốc vì nóng" "Times the CPU was slowed down by heat";
    "cpu.user" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU chạy chương trình" "CPU in programs";
    "disk.in_flight" "1" 0.0..1e6 "device" "system.disk.pending_operations" "Yêu cầu đĩa đang chờ" "Disk requests in flight";
    "disk.read_bytes" "By/s" 0.0..1e12 "device" "system.disk.io" "Tốc độ đọc đĩa" "Disk bytes read";
    "disk.read_ms" "ms" 0.0..1e7 "device" "system.disk.operation_time" "Độ trễ trung bình mỗi lần đọc" "Mean latency of a read";
    "disk.reads" "1/s" 0.0..1e8 "device" "system.disk.operations" "Số lần đọc đĩa" "Disk reads";
    "disk.used_pct" "%" 0.0..100.0 "device" "system.disk.io_time" "Thời gian đĩa bận" "Time the disk was busy";
    "disk.write_bytes" "By/s" 0.0..1e12 "device" "system.disk.io" "Tốc độ ghi đĩa" "Disk bytes written";
    "disk.write_ms" "ms" 0.0..1e7 "device" "system.disk.operation_time" "Độ trễ trung bình mỗi lần ghi" "Mean latency of a write";
    "disk.writes" "1/s" 0.0..1e8 "device" "system.disk.operations" "Số lần ghi đĩa" "Disk writes";
    "display.connected" "1" 0.0..256.0 "" "" "Số màn hình đang nối" "Displays connected";
    "display.extra" "1" 0.0..256.0 "" "" "Số màn hình thừa so với cấu hình màn hình ghép" "Panels that the wall should not have";
    "display.missing" "1" 0.0..256.0 "" "" "Số màn hình thiếu so với cấu hình màn hình ghép" "Panels that the wall lacks";
    "display.off" "1" 0.0..256.0 "" "" "Số màn hình không có hình" "Panels without a picture";
    "display.swapped" "1" 0.0..256.0 "" "" "Số màn hình cắm sai chỗ hoặc bị thay" "Panels in the wrong place, or others";
    "display.wrong_mode" "1" 0.0..256.0 "" "" "Số màn hình sai độ phân giải" "Panels in the wrong mode";
    "electric.active_power" "W" -1e9..1e9 "phase" "hw.power" "Công suất" "Active power";
    "electric.current" "A" -1e5..1e5 "phase" "hw.current" "Dòng điện" "Current";
    "electric.energy" "kWh" 0.0..1e12 "" "hw.energy" "Điện năng đã dùng" "Energy used";
    "electric.frequency" "Hz" 0.0..1000.0 "" "" "Tần số lưới" "Mains frequency";
    "electric.power_factor" "1" -1.0..1.0 "phase" "" "Hệ số công suất" "Power factor";
    "electric.voltage" "V" 0.0..1e6 "phase" "hw.voltage" "Điện áp" "Voltage";
    "endpoint.time" "ms" 0.0..1e6 "endpoint" "" "Thời gian trả lời của điểm kết nối" "Time the endpoint took to answer";
    "endpoint.up" "1" 0.0..1.0 "endpoint" "" "Điểm kết nối trả lời" "The endpoint answers";
    "env.humidity" "%" 0.0..100.0 "place" "" "Độ ẩm phòng" "Relative humidity of the room";
    "env.temperature" "Cel" -60.0..200.0 "place" "hw.temperature" "Nhiệt độ phòng" "Temperature of the room";
    "fs.available" "By" 0.0..1e18 "mount point" "system.filesystem.usage" "Dung lượng còn dùng được" "Space available to users";
    "fs.inodes_used_pct" "%" 0.0..100.0 "mount point" "" "Inode đã dùng" "Inodes used";
    "fs.read_only" "1" 0.0..1.0 "mount point" "" "Hệ thống tệp không cho ghi dù lẽ ra phải ghi được" "Takes no writes, though it should";
    "fs.size" "By" 0.0..1e18 "mount point" "system.filesystem.limit" "Dung lượng" "Size";
    "fs.used_pct" "%" 0.0..100.0 "mount point" "system.filesystem.utilization" "Dung lượng đã dùng" "Space used";
    "gpu.busy" "%" 0.0..100.0 "gpu" "hw.gpu.utilization" "GPU bận" "Graphics processor busy";
    "gpu.errors" "1" 0.0..1e15 "gpu" "hw.errors" "Lỗi bộ nhớ GPU không sửa được" "Memory errors of the graphics processor that could not be corrected";
    "gpu.fan" "%" 0.0..200.0 "gpu" "hw.fan.speed_ratio" "Quạt GPU" "Fan of the graphics processor";
    "gpu.memory_used_pct" "%" 0.0..100.0 "gpu" "hw.gpu.memory.utilization" "Bộ nhớ GPU đã dùng" "Graphics memory used";
    "gpu.power" "W" 0.0..5000.0 "gpu" "hw.power" "Công suất GPU" "Power of the graphics processor";
    "gpu.temperature" "Cel" -40.0..150.0 "gpu" "hw.temperature" "Nhiệt độ GPU" "Temperature of the graphics processor";
    "ipmi.bad" "1" 0.0..1000.0 "" "hw.status" "Số cảm biến IPMI báo xấu" "Sensors of the management controller that are not well";
    "ipmi.fan" "rpm" 0.0..1e5 "sensor" "hw.fan.speed" "Quạt (IPMI)" "Fan (IPMI)";
    "ipmi.power" "W" 0.0..1e5 "sensor" "hw.power" "Công suất (IPMI)" "Power (IPMI)";
    "ipmi.supplies_failed" "1" 0.0..100.0 "" "hw.status" "Số bộ nguồn hỏng (IPMI)" "Power supplies that failed (IPMI)";
    "ipmi.temperature" "Cel" -60.0..200.0 "sensor" "hw.temperature" "Nhiệt độ (IPMI)" "Temperature (IPMI)";
    "ipmi.voltage" "V" -60.0..1000.0 "sensor" "hw.voltage" "Điện áp (IPMI)" "Voltage (IPMI)";
    "load.1" "1" 0.0..1e6 "" "system.linux.cpu.load_1m" "Tải trung bình 1 phút" "Load average, 1 minute";
    "load.15" "1" 0.0..1e6 "" "system.linux.cpu.load_15m" "Tải trung bình 15 phút" "Load average, 15 minutes";
    "load.5" "1" 0.0..1e6 "" "system.linux.cpu.load_5m" "Tải trung bình 5 phút" "Load average, 5 minutes";
    "load.per_cpu" "1" 0.0..1e6 "" "" "Tải 5 phút chia cho số CPU" "Load average of 5 minutes per CPU";
    "memory.available" "By" 0.0..1e16 "" "system.linux.memory.available" "Bộ nhớ còn dùng được" "Memory available";
    "memory.buffers" "By" 0.0..1e16 "" "system.memory.usage" "Bộ đệm" "Buffers";
    "memory.cached" "By" 0.0..1e16 "" "system.memory.usage" "Bộ nhớ đệm tệp" "Page cache";
    "memory.corrected_errors" "1" 0.0..1e15 "controller" "hw.errors" "Lỗi bộ nhớ đã sửa (ECC), từ lúc khởi động" "Memory errors corrected (ECC) since boot";
    "memory.dirty" "By" 0.0..1e16 "" "" "Bộ nhớ chờ ghi xuống đĩa" "Memory waiting to be written";
    "memory.free" "By" 0.0..1e16 "" "system.memory.usage" "Bộ nhớ trống" "Memory free";
    "memory.huge_pages_used_pct" "%" 0.0..100.0 "" "" "Trang lớn đã dùng" "Huge pages used";
    "memory.oom_kills" "1" 0.0..1e12 "" "" "Số tiến trình bị diệt vì hết bộ nhớ, từ lúc khởi động" "Processes killed for lack of memory since boot";
    "memory.slab" "By" 0.0..1e16 "" "system.linux.memory.slab.usage" "Bộ nhớ nhân không thu hồi được" "Kernel slab that cannot be reclaimed";
    "memory.total" "By" 0.0..1e16 "" "system.memory.limit" "Bộ nhớ" "Memory";
    "memory.uncorrected_errors" "1" 0.0..1e15 "controller" "hw.errors" "Lỗi bộ nhớ không sửa được, từ lúc khởi động" "Memory errors that could not be corrected since boot";
    "memory.used_pct" "%" 0.0..100.0 "" "system.memory.utilization" "Bộ nhớ đã dùng" "Memory used";
    "mount.answers" "1" 0.0..1.0 "mount point" "" "Máy chủ tệp có trả lời" "The file server answers";
    "net.bond_missing" "1" 0.0..64.0 "interface" "" "Số đường mạng của nhóm bond không hoạt động" "Members of the bond that are down";
    "net.carrier_changes" "1/s" 0.0..1e6 "interface" "" "Số lần mất hoặc có lại tín hiệu đường truyền" "Changes of the link's carrier";
    "net.full_duplex" "1" 0.0..1.0 "interface" "" "Đường truyền song công" "The link is full duplex";
    "net.rx_bytes" "By/s" 0.0..1e12 "interface" "system.network.io" "Tốc độ nhận" "Bytes received";
    "net.rx_dropped" "1/s" 0.0..1e9 "interface" "system.network.dropped" "Gói nhận bị bỏ" "Packets dropped on receipt";
    "net.rx_errors" "1/s" 0.0..1e9 "interface" "system.network.errors" "Lỗi nhận" "Receive errors";
    "net.rx_packets" "1/s" 0.0..1e9 "interface" "system.network.packets" "Gói nhận" "Packets received";
    "net.speed" "Mbit/s" 0.0..1e7 "interface" "" "Tốc độ đường truyền" "Link speed";
    "net.tx_bytes" "By/s" 0.0..1e12 "interface" "system.network.io" "Tốc độ gửi" "Bytes sent";
    "net.tx_dropped" "1/s" 0.0..1e9 "interface" "system.network.dropped" "Gói gửi bị bỏ" "Packets dropped on sending";
    "net.tx_errors" "1/s" 0.0..1e9 "interface" "system.network.errors" "Lỗi gửi" "Send errors";
    "net.tx_packets" "1/s" 0.0..1e9 "interface" "system.network.packets" "Gói gửi" "Packets sent";
    "net.up" "1" 0.0..1.0 "interface" "" "Giao diện đang hoạt động" "Interface operational";
    "net.used_pct" "%" 0.0..100.0 "interface" "" "Băng thông đã dùng so với tốc độ đường truyền" "Throughput against link speed";
    "os.support_days" "d" -40000.0..40000.0 "" "" "Số ngày còn được hãng vá lỗi bảo mật" "Days left of the maker's security support";
    "patch.automatic" "1" 0.0..1.0 "" "" "Tự động cài bản vá bảo mật" "Security updates are installed automatically";
    "patch.held" "1" 0.0..1e5 "" "" "Số gói bị giữ lại" "Packages held back";
    "patch.pending" "1" 0.0..1e6 "" "" "Số bản cập nhật chưa cài" "Updates not yet installed";
    "patch.reboot_needed" "1" 0.0..1.0 "" "" "Cần khởi động lại" "A reboot is needed";
    "patch.refresh_age" "d" 0.0..40000.0 "" "" "Số ngày từ lần tải danh mục gói gần nhất" "Days since the package lists were fetched";
    "patch.security" "1" 0.0..1e6 "" "" "Số bản vá bảo mật chưa cài" "Security updates not yet installed";
    "patch.security_age" "d" 0.0..40000.0 "" "" "Bản vá bảo mật chưa cài lâu nhất" "Age of the oldest security update not yet installed";
    "power.online" "1" 0.0..1.0 "supply" "hw.status" "Nguồn điện đang cấp" "The supply delivers";
    "pressure.cpu.some" "%" 0.0..100.0 "" "" "Thời gian có tiến trình chờ CPU (10 giây)" "Time some task waited for CPU (10 s)";
    "pressure.io.full" "%" 0.0..100.0 "" "" "Thời gian mọi tiến trình chờ vào/ra (10 giây)" "Time all tasks waited for I/O (10 s)";
    "pressure.io.some" "%" 0.0..100.0 "" "" "Thời gian có tiến trình chờ vào/ra (10 giây)" "Time some task waited for I/O (10 s)";
    "pressure.memory.full" "%" 0.0..100.0 "" "" "Thời gian mọi tiến trình chờ bộ nhớ (10 giây)" "Time all tasks waited for memory (10 s)";
    "pressure.memory.some" "%" 0.0..100.0 "" "" "Thời gian có tiến trình chờ bộ nhớ (10 giây)" "Time some task waited for memory (10 s)";
    "process.count" "1" 0.0..1e7 "" "system.processes.count" "Số tiến trình" "Processes";
    "process.stuck" "1" 0.0..1e7 "" "system.processes.count" "Số tiến trình kẹt chờ thiết bị" "Processes stuck on a device";
    "process.zombies" "1" 0.0..1e7 "" "system.processes.count" "Số tiến trình chết chưa dọn" "Zombies";
    "projector.errors" "1" 0.0..2.0 "part" "hw.status" "Tình trạng bộ phận: 0 tốt, 1 cảnh báo, 2 lỗi" "State of a part: 0 well, 1 warning, 2 error";
    "projector.filter_hours" "h" 0.0..1e6 "" "" "Số giờ dùng lọc bụi" "Hours the filter is in use";
    "projector.input" "1" 0.0..99.0 "" "" "Ngõ vào đang chọn (PJLink: 1x RGB, 2x video, 3x số, 4x bộ nhớ, 5x mạng)" "Input selected (PJLink: 1x RGB, 2x video, 3x digital, 4x storage, 5x network)";
    "projector.lamp_hours" "h" 0.0..1e6 "lamp" "" "Số giờ dùng đèn chiếu" "Hours the lamp is in use";
    "projector.lamp_on" "1" 0.0..1.0 "lamp" "" "Đèn chiếu đang sáng" "The lamp is lit";
    "projector.muted" "1" 0.0..1.0 "" "" "Đang tắt hình" "The picture is muted";
    "projector.power" "1" 0.0..3.0 "" "" "Nguồn: 0 tắt, 1 bật, 2 đang nguội, 3 đang khởi động" "Power: 0 off, 1 on, 2 cooling, 3 warming up";
    "protect.disk_encrypted" "1" 0.0..1.0 "" "" "Ổ đĩa hệ thống được mã hoá" "The root disk is encrypted";
    "protect.firewall" "1" 0.0..1.0 "" "" "Tường lửa đang lọc" "A firewall filters";
    "protect.mandatory_access" "1" 0.0..1.0 "" "" "SELinux hoặc AppArmor đang thực thi" "SELinux or AppArmor enforces";
    "protect.ports" "1" 0.0..70000.0 "" "" "Số cổng mở cho máy khác" "Ports that listen to other machines";
    "protect.ports_unapproved" "1" 0.0..70000.0 "" "" "Số cổng mở ngoài danh sách cho phép" "Listening ports that are on no approved list";
    "protect.secure_boot" "1" 0.0..1.0 "" "" "Khởi động an toàn đang bật" "Secure Boot is on";
    "protect.ssh_password" "1" 0.0..1.0 "" "" "SSH cho đăng nhập bằng mật khẩu" "SSH lets people in by password";
    "protect.ssh_root" "1" 0.0..1.0 "" "" "SSH cho root đăng nhập" "SSH lets root in";
    "raid.errors" "1" 0.0..1e15 "array" "hw.errors" "Lỗi đếm được trên các thành viên" "Errors counted on the members";
    "raid.healthy" "1" 0.0..1.0 "array" "hw.status" "Mảng đĩa tốt" "The array is whole";
    "raid.missing" "1" 0.0..1000.0 "array" "" "Số ổ hỏng hoặc thiếu trong mảng" "Members that failed or are missing";
    "raid.progress" "%" 0.0..100.0 "array" "" "Tiến độ đồng bộ lại" "Progress of the rebuild or check";
    "reports.lost" "1" 0.0..1e15 "" "" "Số báo cáo bị mất trong 24 giờ (bộ thu đếm)" "Reports lost within 24 hours (counted by the collector)";
    "reports.thinned" "1" 0.0..1e15 "" "" "Số mẫu bị lược bớt trong 24 giờ (bộ thu đếm)" "Samples thinned out within 24 hours (counted by the collector)";
    "sensor.alarm" "1" 0.0..1.0 "sensor" "hw.status" "Cảm biến báo vượt ngưỡng của chính nó" "The sensor is beyond its own limits";
    "sensor.answer_time" "ms" 0.0..1e6 "" "" "Thời gian trả lời của thiết bị" "Time the device took to answer";
    "sensor.errors" "1" 0.0..1e12 "" "" "Số lần hỏi không được trả lời đúng" "Requests that were not answered well";
    "sensor.fan" "rpm" 0.0..1e5 "sensor" "hw.fan.speed" "Tốc độ quạt" "Speed of the fan";
    "sensor.headroom" "K" -200.0..300.0 "sensor" "" "Còn bao nhiêu độ tới ngưỡng nguy hiểm" "Degrees left to the sensor's own critical limit";
    "sensor.out_of_range" "1" 0.0..1e4 "" "" "Số giá trị ngoài khoảng có thể tin" "Values beyond what can be believed";
    "sensor.power" "W" 0.0..1e5 "sensor" "hw.power" "Công suất" "Power";
    "sensor.temperature" "Cel" -60.0..200.0 "sensor" "hw.temperature" "Nhiệt độ" "Temperature";
    "sensor.up" "1" 0.0..1.0 "" "" "Thiết bị trả lời" "The device answers";
    "sensor.voltage" "V" -60.0..1000.0 "sensor" "hw.voltage" "Điện áp" "Voltage";
    "service.failed" "1" 0.0..1e5 "" "" "Số dịch vụ systemd bị lỗi" "Units of systemd that failed";
    "service.restarts" "1" 0.0..1e9 "unit" "" "Số lần dịch vụ bị khởi động lại" "Restarts of the service";
    "service.up" "1" 0.0..1.0 "unit" "" "Dịch vụ đang chạy" "The service runs";
    "session.failures" "1" 0.0..1e7 "" "" "Số lần đăng nhập sai trong 1 giờ" "Failed sign-ins within an hour";
    "session.open" "1" 0.0..1e5 "" "" "Số phiên đang mở" "Sessions open";
    "smart.crc_errors" "1" 0.0..1e15 "disk" "hw.errors" "Lỗi cáp đĩa vượt mức đã chấp nhận" "Cable errors above what was accepted";
    "smart.critical_warning" "1" 0.0..255.0 "disk" "" "Cảnh báo nguy hiểm của NVMe" "NVMe critical warning";
    "smart.hours" "h" 0.0..1e6 "disk" "" "Số giờ hoạt động của đĩa" "Hours in use";
    "smart.media_errors" "1" 0.0..1e15 "disk" "hw.errors" "Lỗi môi trường ghi vượt mức đã chấp nhận" "Errors of the medium above what was accepted";
    "smart.passed" "1" 0.0..1.0 "disk" "hw.physical_disk.smart" "Đĩa tự báo tốt" "The disk says it is well";
    "smart.pending" "1" 0.0..1e15 "disk" "hw.errors" "Sector chờ thay vượt mức đã chấp nhận" "Pending sectors above what was accepted";
    "smart.reallocated" "1" 0.0..1e15 "disk" "hw.errors" "Sector đã thay vượt mức đã chấp nhận" "Reallocated sectors above what was accepted";
    "smart.self_test_failed" "1" 0.0..1.0 "disk" "" "Đĩa tự kiểm tra thất bại" "The last self-test failed";
    "smart.spare" "%" 0.0..100.0 "disk" "" "Khối dự phòng còn lại của SSD" "Spare blocks left";
    "smart.temperature" "Cel" -40.0..150.0 "disk" "hw.temperature" "Nhiệt độ đĩa" "Temperature of the disk";
    "smart.uncorrectable" "1" 0.0..1e15 "disk" "hw.errors" "Lỗi không sửa được vượt mức đã chấp nhận" "Uncorrectable errors above what was accepted";
    "smart.wear" "%" 0.0..1000.0 "disk" "hw.physical_disk.endurance_utilization" "Độ mòn của SSD" "Share of its life that is used";
    "software.count" "1" 0.0..1e6 "" "" "Số phần mềm đã cài" "Pieces of software installed";
    "swap.in" "1/s" 0.0..1e9 "" "system.paging.operations" "Trang nạp lại từ swap" "Pages swapped in";
    "swap.out" "1/s" 0.0..1e9 "" "system.paging.operations" "Trang đẩy ra swap" "Pages swapped out";
    "swap.total" "By" 0.0..1e16 "" "" "Dung lượng swap" "Swap";
    "swap.used_pct" "%" 0.0..100.0 "" "system.paging.utilization" "Swap đã dùng" "Swap used";
    "system.context_switches" "1/s" 0.0..1e9 "" "" "Chuyển ngữ cảnh" "Context switches";
    "system.forks" "1/s" 0.0..1e7 "" "system.processes.created" "Tiến trình được tạo" "Processes created";
    "system.interrupts" "1/s" 0.0..1e9 "" "" "Ngắt" "Interrupts";
    "system.procs_blocked" "1" 0.0..1e7 "" "" "Tiến trình đang bị chặn" "Processes blocked";
    "system.procs_running" "1" 0.0..1e7 "" "" "Tiến trình đang chạy" "Processes running";
    "system.uptime" "s" 0.0..1e10 "" "system.uptime" "Thời gian từ lúc khởi động" "Time since boot";
    "time.offset" "ms" 0.0..1e12 "" "" "Độ lệch so với nguồn giờ, không dấu" "Offset to the source of time, without sign";
    "time.synchronised" "1" 0.0..1.0 "" "" "Đồng hồ được đồng bộ" "The clock is synchronised";
    "ups.alarm" "1" 0.0..1.0 "" "" "UPS tự báo động" "The UPS reports an alarm of its own";
    "ups.battery_age" "d" 0.0..40000.0 "" "" "Tuổi ắc quy" "Age of the battery";
    "ups.battery_temperature" "Cel" -40.0..150.0 "" "hw.temperature" "Nhiệt độ ắc quy" "Temperature of the battery";
    "ups.battery_voltage" "V" 0.0..2000.0 "" "hw.voltage" "Điện áp ắc quy" "Voltage of the battery";
    "ups.boost" "1" 0.0..1.0 "" "" "UPS đang nâng điện áp vào thấp" "The UPS raises a low input voltage";
    "ups.bypass" "1" 0.0..1.0 "" "" "UPS đang chạy nối tắt" "The UPS is on bypass";
    "ups.calibrating" "1" 0.0..1.0 "" "" "UPS đang hiệu chuẩn ắc quy" "The UPS calibrates its battery";
    "ups.charge" "%" 0.0..100.0 "" "hw.battery.charge" "Mức ắc quy" "Charge of the battery";
    "ups.charging" "1" 0.0..1.0 "" "" "Ắc quy UPS đang sạc" "The battery is being charged";
    "ups.discharging" "1" 0.0..1.0 "" "" "Ắc quy UPS đang xả" "The battery is being discharged";
    "ups.eco" "1" 0.0..1.0 "" "" "UPS chạy chế độ tiết kiệm (ECO)" "The UPS runs in its saving mode (ECO)";
    "ups.forced_shutdown" "1" 0.0..1.0 "" "" "UPS sắp ngắt điện ra (FSD)" "The UPS is about to cut its output (FSD)";
    "ups.high_battery" "1" 0.0..1.0 "" "" "Ắc quy UPS báo mức cao" "The battery is above its high mark";
    "ups.input_voltage" "V" 0.0..1e5 "phase" "hw.voltage" "Điện áp vào UPS" "Input voltage of the UPS";
    "ups.linked" "1" 0.0..1.0 "" "" "Phần mềm còn liên lạc được với UPS" "The software still hears from the UPS";
    "ups.load" "%" 0.0..500.0 "phase" "" "Tải của UPS" "Load of the UPS";
    "ups.low_battery" "1" 0.0..1.0 "" "" "Ắc quy UPS sắp cạn" "The battery is nearly empty";
    "ups.no_battery" "1" 0.0..1.0 "" "" "UPS không có ắc quy" "The UPS has no battery";
    "ups.off" "1" 0.0..1.0 "" "" "UPS đang tắt đầu ra" "The output of the UPS is off";
    "ups.on_battery" "1" 0.0..1.0 "" "" "UPS đang chạy bằng ắc quy (không kể khi hiệu chuẩn, tự kiểm tra)" "The UPS is on battery (not counting calibrations and self-tests)";
    "ups.output_voltage" "V" 0.0..1e5 "phase" "hw.voltage" "Điện áp ra UPS" "Output voltage of the UPS";
    "ups.overload" "1" 0.0..1.0 "" "" "UPS quá tải" "The UPS is overloaded";
    "ups.replace_battery" "1" 0.0..1.0 "" "" "Phải thay ắc quy UPS" "The battery must be replaced";
    "ups.runtime" "s" 0.0..1e7 "" "hw.battery.time_left" "Thời gian UPS còn chạy được" "Time the UPS can still run";
    "ups.says" "1" 0.0..1.0 "text" "" "Lời UPS tự báo: 1 khi đang báo" "What the UPS says in words of its own: 1 while it says so";
    "ups.temperature" "Cel" -40.0..150.0 "" "hw.temperature" "Nhiệt độ UPS" "Temperature of the UPS";
    "ups.test_age" "d" 0.0..40000.0 "" "" "Số ngày từ lần tự kiểm tra gần nhất" "Days since the last self-test";
    "ups.test_failed" "1" 0.0..1.0 "" "" "UPS tự kiểm tra thất bại" "The last self-test failed";
    "ups.testing" "1" 0.0..1.0 "" "" "UPS đang tự kiểm tra" "The UPS tests itself";
    "ups.trim" "1" 0.0..1.0 "" "" "UPS đang hạ điện áp vào cao" "The UPS lowers a high input voltage";
    "usb.storage" "1" 0.0..1000.0 "" "" "Số thiết bị lưu trữ USB đang cắm" "USB storage attached";
    "usb.virtual" "1" 0.0..1000.0 "" "" "Số ổ ảo có đĩa của bộ quản lý máy (BMC), và thẻ nhớ lắp trong" "Virtual drives of the management controller that hold a medium, and cards that are built in";
}

impl Metric {
    /// Whether its subject is an account: its name says something of a person (article 12).
    #[must_use]
    pub fn is_personal(&self) -> bool {
        self.subject == "account"
    }
}

/// Whether a series is of an account: its subject is its name.
#[must_use]
pub fn is_series_of_person(series: &str) -> bool {
    let (metric, subject) = series.split_once('|').unwrap_or((series, ""));
    !subject.is_empty() && find(metric).is_some_and(Metric::is_personal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{PROBES, ProbeInfo};

    #[test]
    fn a_metric_is_of_one_probe_at_most() {
        for metric in CATALOGUE {
            let is_its = |probe: &&ProbeInfo| probe.metrics.iter().any(|start| metric.name.starts_with(start));
            let owners: Vec<&str> = PROBES.iter().filter(is_its).map(|probe| probe.name).collect();
            assert!(owners.len() <= 1, "{} is of {owners:?}", metric.name);
        }
    }

    #[test]
    fn catalogue_is_sorted_whole_and_found() {
        assert!(CATALOGUE.windows(2).all(|two| two[0].name < two[1].name), "sorted, no name twice");
        for metric in CATALOGUE {
            assert_eq!((find(metric.name), static_name(metric.name)), (Some(metric), Some(metric.name)));
            assert!(!metric.vi.is_empty() && !metric.en.is_empty() && metric.min < metric.max, "{}", metric.name);
        }
        assert_eq!((find("no.such"), static_name("no.such")), (None, None));
    }
}
