//! The metric catalogue: every number an agent may send, with its unit, range and description in both languages.
//!
//! Names are ours and short, since they are typed into rules; `otel` gives the OpenTelemetry semantic-convention name where
//! one exists. `docs/metrics.md` is generated from this table (`ioc-collector docs metrics`).

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
    /// Whether `value` lies within the plausible range.
    #[must_use]
    pub fn plausible(&self, value: f64) -> bool {
        value >= self.min && value <= self.max
    }
}

/// The entry of `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    CATALOGUE.binary_search_by(|metric| metric.name.cmp(name)).ok().map(|at| &CATALOGUE[at])
}

macro_rules! catalogue {
    ($($name:literal $unit:literal $min:literal .. $max:literal $subject:literal $otel:literal $vi:literal $en:literal;)*) => {
        /// Every metric, sorted by name.
        pub static CATALOGUE: &[Metric] = &[$(Metric {
            name: $name, unit: $unit, min: $min, max: $max, subject: $subject, otel: $otel, vi: $vi, en: $en,
        },)*];
    };
}

catalogue! {
    "agent.cpu_ms" "ms" 0.0..1e7 "" "process.cpu.time" "CPU mà agent đã dùng kể từ mẫu trước" "CPU the agent used since the last sample";
    "agent.lost" "1" 0.0..1e15 "" "" "Số báo cáo bị mất trước khi gửi" "Reports lost before they could be sent";
    "agent.rss" "By" 0.0..1e12 "" "process.memory.usage" "Bộ nhớ thường trú của agent" "Resident memory of the agent";
    "agent.waiting" "1" 0.0..1e9 "" "" "Số báo cáo đang chờ xác nhận" "Reports waiting to be committed";
    "clock.error" "s" 0.0..1e12 "" "" "Độ lệch đồng hồ so với bộ thu, không dấu (bộ thu tính)" "Clock error against the collector, without sign (computed by the collector)";
    "cpu.busy" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU bận" "CPU busy";
    "cpu.core.iowait" "%" 0.0..100.0 "core" "system.cpu.utilization" "Nhân CPU chờ vào/ra" "Core waiting for I/O";
    "cpu.core.steal" "%" 0.0..100.0 "core" "system.cpu.utilization" "Nhân CPU bị máy chủ ảo hoá lấy" "Core stolen by the hypervisor";
    "cpu.core.system" "%" 0.0..100.0 "core" "system.cpu.utilization" "Nhân CPU chạy nhân hệ điều hành và ngắt" "Core in the kernel and in interrupts";
    "cpu.core.user" "%" 0.0..100.0 "core" "system.cpu.utilization" "Nhân CPU chạy chương trình" "Core in programs";
    "cpu.iowait" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU chờ vào/ra" "CPU waiting for I/O";
    "cpu.irq" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU xử lý ngắt" "CPU in interrupts";
    "cpu.nice" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU chạy chương trình ưu tiên thấp" "CPU in low-priority programs";
    "cpu.softirq" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU xử lý ngắt mềm" "CPU in soft interrupts";
    "cpu.steal" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU bị máy chủ ảo hoá lấy" "CPU stolen by the hypervisor";
    "cpu.system" "%" 0.0..100.0 "" "system.cpu.utilization" "CPU chạy nhân hệ điều hành" "CPU in the kernel";
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
    "fs.available" "By" 0.0..1e18 "mount point" "system.filesystem.usage" "Dung lượng còn dùng được" "Space available to users";
    "fs.inodes_used_pct" "%" 0.0..100.0 "mount point" "" "Inode đã dùng" "Inodes used";
    "fs.read_only" "1" 0.0..1.0 "mount point" "" "Hệ thống tệp chỉ đọc" "Mounted read-only";
    "fs.size" "By" 0.0..1e18 "mount point" "system.filesystem.limit" "Dung lượng" "Size";
    "fs.used_pct" "%" 0.0..100.0 "mount point" "system.filesystem.utilization" "Dung lượng đã dùng" "Space used";
    "load.1" "1" 0.0..1e6 "" "system.linux.cpu.load_1m" "Tải trung bình 1 phút" "Load average, 1 minute";
    "load.15" "1" 0.0..1e6 "" "system.linux.cpu.load_15m" "Tải trung bình 15 phút" "Load average, 15 minutes";
    "load.5" "1" 0.0..1e6 "" "system.linux.cpu.load_5m" "Tải trung bình 5 phút" "Load average, 5 minutes";
    "load.per_cpu" "1" 0.0..1e6 "" "" "Tải 5 phút chia cho số CPU" "Load average of 5 minutes per CPU";
    "memory.available" "By" 0.0..1e16 "" "system.linux.memory.available" "Bộ nhớ còn dùng được" "Memory available";
    "memory.buffers" "By" 0.0..1e16 "" "system.memory.usage" "Bộ đệm" "Buffers";
    "memory.cached" "By" 0.0..1e16 "" "system.memory.usage" "Bộ nhớ đệm tệp" "Page cache";
    "memory.dirty" "By" 0.0..1e16 "" "" "Bộ nhớ chờ ghi xuống đĩa" "Memory waiting to be written";
    "memory.free" "By" 0.0..1e16 "" "system.memory.usage" "Bộ nhớ trống" "Memory free";
    "memory.oom_kills" "1" 0.0..1e12 "" "" "Số tiến trình bị diệt vì hết bộ nhớ, từ lúc khởi động" "Processes killed for lack of memory since boot";
    "memory.slab" "By" 0.0..1e16 "" "system.linux.memory.slab.usage" "Bộ nhớ nhân không thu hồi được" "Kernel slab that cannot be reclaimed";
    "memory.total" "By" 0.0..1e16 "" "system.memory.limit" "Bộ nhớ" "Memory";
    "memory.used_pct" "%" 0.0..100.0 "" "system.memory.utilization" "Bộ nhớ đã dùng" "Memory used";
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
    "pressure.cpu.some" "%" 0.0..100.0 "" "" "Thời gian có tiến trình chờ CPU (10 giây)" "Time some task waited for CPU (10 s)";
    "pressure.io.full" "%" 0.0..100.0 "" "" "Thời gian mọi tiến trình chờ vào/ra (10 giây)" "Time all tasks waited for I/O (10 s)";
    "pressure.io.some" "%" 0.0..100.0 "" "" "Thời gian có tiến trình chờ vào/ra (10 giây)" "Time some task waited for I/O (10 s)";
    "pressure.memory.full" "%" 0.0..100.0 "" "" "Thời gian mọi tiến trình chờ bộ nhớ (10 giây)" "Time all tasks waited for memory (10 s)";
    "pressure.memory.some" "%" 0.0..100.0 "" "" "Thời gian có tiến trình chờ bộ nhớ (10 giây)" "Time some task waited for memory (10 s)";
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogue_is_sorted_whole_and_found() {
        assert!(CATALOGUE.windows(2).all(|two| two[0].name < two[1].name), "sorted, no name twice");
        for metric in CATALOGUE {
            assert_eq!(find(metric.name), Some(metric));
            assert!(!metric.vi.is_empty() && !metric.en.is_empty() && metric.min < metric.max, "{}", metric.name);
        }
        assert_eq!(find("no.such"), None);
    }
}
