//! Compares every number and structure of this crate with Xen's public C headers, by way of the C compiler.
//!
//! The tables below name each one's counterpart in C; a C program made of them prints values, sizes and offsets. A
//! number or field of the crate that is missing in the tables fails the test, too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const HEADERS: &[&str] = &[
    "xen",
    "callback",
    "elfnote",
    "event_channel",
    "features",
    "grant_table",
    "hvm/dm_op",
    "hvm/hvm_op",
    "memory",
    "sched",
    "vcpu",
    "version",
    "io/blkif",
    "io/console",
    "io/libxenvchan",
    "io/netif",
    "io/ring",
    "io/xenbus",
    "io/xs_wire",
];

/// In no public header: `SCHEDOP_poll`'s limit is in `xen/common/sched/core.c`; the others follow from what is compared.
const NOT_IN_C: &[&str] = &["sched::POLL_MAX_PORTS", "grant_table::ENTRIES_PER_PAGE", "PAGE_SIZE"];

/// What a C expression must be worth, by the name of what it is compared with.
struct Check {
    name: String,
    c: String,
    value: i64,
}

macro_rules! constants {
    ($($($module:ident)::+ { $($name:ident = $c:literal,)* })*) => {
        fn constants() -> Vec<Check> {
            let mut checks = Vec::new();
            $({
                use xen_sys::$($module)::+ as abi;
                let module = &concat!($("::", stringify!($module)),+)[2..];
                $(checks.push(Check {
                    name: format!("{module}::{}", stringify!($name)),
                    c: $c.into(),
                    value: abi::$name as i64,
                });)*
            })*
            checks
        }
    };
}

macro_rules! structures {
    ($($($module:ident)::+ { $($name:ident = $c:literal { $($field:ident $(= $c_field:literal)?),* })* })*) => {
        fn structures() -> Vec<Check> {
            let mut checks = Vec::new();
            $({
                use xen_sys::$($module)::+ as abi;
                let module = &concat!($("::", stringify!($module)),+)[2..];
                $({
                type Structure = abi::$name;
                let name = &format!("{module}::{}", stringify!($name));
                checks.push(Check { name: name.into(), c: format!("sizeof({})", $c), value: size_of::<Structure>() as i64 });
                $(
                    let c_field = [$($c_field,)? stringify!($field)][0];
                    let offset = core::mem::offset_of!(Structure, $field) as i64;
                    let c = format!("offsetof({}, {c_field})", $c);
                    checks.push(Check { name: format!("{name}.{}", stringify!($field)), c, value: offset });
                    let c = format!("sizeof((({} *)0)->{c_field})", $c);
                    let size = size_of_field(|structure: &Structure| &structure.$field) as i64;
                    checks.push(Check { name: format!("size of {name}.{}", stringify!($field)), c, value: size });
                )*
                })*
            })*
            checks
        }
    };
}

fn size_of_field<S, F>(_: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

constants! {
    elfnote {
        ENTRY = "XEN_ELFNOTE_ENTRY",
        VIRT_BASE = "XEN_ELFNOTE_VIRT_BASE",
        PADDR_OFFSET = "XEN_ELFNOTE_PADDR_OFFSET",
        XEN_VERSION = "XEN_ELFNOTE_XEN_VERSION",
        GUEST_OS = "XEN_ELFNOTE_GUEST_OS",
        GUEST_VERSION = "XEN_ELFNOTE_GUEST_VERSION",
        LOADER = "XEN_ELFNOTE_LOADER",
        PAE_MODE = "XEN_ELFNOTE_PAE_MODE",
        FEATURES = "XEN_ELFNOTE_FEATURES",
        HV_START_LOW = "XEN_ELFNOTE_HV_START_LOW",
        L1_MFN_VALID = "XEN_ELFNOTE_L1_MFN_VALID",
        SUSPEND_CANCEL = "XEN_ELFNOTE_SUSPEND_CANCEL",
        INIT_P2M = "XEN_ELFNOTE_INIT_P2M",
        MOD_START_PFN = "XEN_ELFNOTE_MOD_START_PFN",
        SUPPORTED_FEATURES = "XEN_ELFNOTE_SUPPORTED_FEATURES",
    }
    event_channel {
        EVTCHNOP_BIND_INTERDOMAIN = "EVTCHNOP_bind_interdomain",
        EVTCHNOP_BIND_VIRQ = "EVTCHNOP_bind_virq",
        EVTCHNOP_CLOSE = "EVTCHNOP_close",
        EVTCHNOP_SEND = "EVTCHNOP_send",
        EVTCHNOP_STATUS = "EVTCHNOP_status",
        EVTCHNOP_ALLOC_UNBOUND = "EVTCHNOP_alloc_unbound",
        EVTCHNOP_UNMASK = "EVTCHNOP_unmask",
        EVTCHN_2L_NR_CHANNELS = "EVTCHN_2L_NR_CHANNELS",
    }
    features {
        WRITABLE_PAGE_TABLES = "XENFEAT_writable_page_tables",
        WRITABLE_DESCRIPTOR_TABLES = "XENFEAT_writable_descriptor_tables",
        AUTO_TRANSLATED_PHYSMAP = "XENFEAT_auto_translated_physmap",
        SUPERVISOR_MODE_KERNEL = "XENFEAT_supervisor_mode_kernel",
        PAE_PGDIR_ABOVE_4GB = "XENFEAT_pae_pgdir_above_4gb",
        MMU_PT_UPDATE_PRESERVE_AD = "XENFEAT_mmu_pt_update_preserve_ad",
        GNTTAB_MAP_AVAIL_BITS = "XENFEAT_gnttab_map_avail_bits",
        DOM0 = "XENFEAT_dom0",
        NR_SUBMAPS = "XENFEAT_NR_SUBMAPS",
    }
    grant_table {
        GNTTABOP_MAP_GRANT_REF = "GNTTABOP_map_grant_ref",
        GNTTABOP_UNMAP_GRANT_REF = "GNTTABOP_unmap_grant_ref",
        GNTTABOP_SETUP_TABLE = "GNTTABOP_setup_table",
        GNTTABOP_COPY = "GNTTABOP_copy",
        GNTTABOP_QUERY_SIZE = "GNTTABOP_query_size",
        GNTTABOP_SET_VERSION = "GNTTABOP_set_version",
        GNTTABOP_GET_VERSION = "GNTTABOP_get_version",
        GTF_INVALID = "GTF_invalid",
        GTF_PERMIT_ACCESS = "GTF_permit_access",
        GTF_READONLY = "GTF_readonly",
        GTF_READING = "GTF_reading",
        GTF_WRITING = "GTF_writing",
        GNTTAB_NR_RESERVED_ENTRIES = "GNTTAB_NR_RESERVED_ENTRIES",
        GNTMAP_HOST_MAP = "GNTMAP_host_map",
        GNTMAP_READONLY = "GNTMAP_readonly",
        GNTMAP_APPLICATION_MAP = "GNTMAP_application_map",
        GNTMAP_CONTAINS_PTE = "GNTMAP_contains_pte",
        GNTMAP_GUEST_AVAIL0 = "1 << _GNTMAP_guest_avail0",
    }
    hvm {
        HVMOP_SET_PARAM = "HVMOP_set_param",
        HVMOP_GET_PARAM = "HVMOP_get_param",
    }
    memory {
        XENMEM_DECREASE_RESERVATION = "XENMEM_decrease_reservation",
        XENMEM_CURRENT_RESERVATION = "XENMEM_current_reservation",
        XENMEM_MAXIMUM_RESERVATION = "XENMEM_maximum_reservation",
        XENMEM_POPULATE_PHYSMAP = "XENMEM_populate_physmap",
        XENMEM_ADD_TO_PHYSMAP = "XENMEM_add_to_physmap",
        XENMEM_MACHPHYS_MAPPING = "XENMEM_machphys_mapping",
        XENMEM_MAXIMUM_GPFN = "XENMEM_maximum_gpfn",
        XENMEM_REMOVE_FROM_PHYSMAP = "XENMEM_remove_from_physmap",
        XENMEM_ACQUIRE_RESOURCE = "XENMEM_acquire_resource",
        XENMAPSPACE_SHARED_INFO = "XENMAPSPACE_shared_info",
        XENMAPSPACE_GRANT_TABLE = "XENMAPSPACE_grant_table",
        XENMAPSPACE_GMFN = "XENMAPSPACE_gmfn",
        XENMEM_RESOURCE_IOREQ_SERVER = "XENMEM_resource_ioreq_server",
        XENMEM_RESOURCE_GRANT_TABLE = "XENMEM_resource_grant_table",
    }
    sched {
        SCHEDOP_YIELD = "SCHEDOP_yield",
        SCHEDOP_BLOCK = "SCHEDOP_block",
        SCHEDOP_SHUTDOWN = "SCHEDOP_shutdown",
        SCHEDOP_POLL = "SCHEDOP_poll",
        SCHEDOP_REMOTE_SHUTDOWN = "SCHEDOP_remote_shutdown",
        SHUTDOWN_POWEROFF = "SHUTDOWN_poweroff",
        SHUTDOWN_REBOOT = "SHUTDOWN_reboot",
        SHUTDOWN_SUSPEND = "SHUTDOWN_suspend",
        SHUTDOWN_CRASH = "SHUTDOWN_crash",
    }
    vcpu {
        VCPUOP_GET_RUNSTATE_INFO = "VCPUOP_get_runstate_info",
        VCPUOP_STOP_PERIODIC_TIMER = "VCPUOP_stop_periodic_timer",
        VCPUOP_SET_SINGLESHOT_TIMER = "VCPUOP_set_singleshot_timer",
        VCPUOP_STOP_SINGLESHOT_TIMER = "VCPUOP_stop_singleshot_timer",
        VCPUOP_REGISTER_VCPU_TIME_MEMORY_AREA = "VCPUOP_register_vcpu_time_memory_area",
    }
    version {
        XENVER_VERSION = "XENVER_version",
        XENVER_EXTRAVERSION = "XENVER_extraversion",
        XENVER_COMPILE_INFO = "XENVER_compile_info",
        XENVER_CAPABILITIES = "XENVER_capabilities",
        XENVER_CHANGESET = "XENVER_changeset",
        XENVER_PLATFORM_PARAMETERS = "XENVER_platform_parameters",
        XENVER_GET_FEATURES = "XENVER_get_features",
        XENVER_PAGESIZE = "XENVER_pagesize",
        XENVER_GUEST_HANDLE = "XENVER_guest_handle",
    }
    x86 {
        FLAT_KERNEL_CS = "FLAT_KERNEL_CS",
        FLAT_KERNEL_SS = "FLAT_KERNEL_SS",
        FLAT_USER_CS = "FLAT_USER_CS",
        FLAT_USER_CS32 = "FLAT_USER_CS32",
        FLAT_USER_SS = "FLAT_USER_SS",
        SEGBASE_FS = "SEGBASE_FS",
        SEGBASE_GS_USER = "SEGBASE_GS_USER",
        SEGBASE_GS_USER_SEL = "SEGBASE_GS_USER_SEL",
        VGCF_IN_SYSCALL = "VGCF_in_syscall",
        HYPERVISOR_VIRT_START = "HYPERVISOR_VIRT_START",
        HYPERVISOR_VIRT_END = "HYPERVISOR_VIRT_END",
        CALLBACKTYPE_EVENT = "CALLBACKTYPE_event",
        CALLBACKTYPE_FAILSAFE = "CALLBACKTYPE_failsafe",
        CALLBACKTYPE_SYSCALL = "CALLBACKTYPE_syscall",
        CALLBACKTYPE_SYSENTER = "CALLBACKTYPE_sysenter",
        CALLBACKTYPE_SYSCALL32 = "CALLBACKTYPE_syscall32",
        CALLBACKTYPE_NMI = "CALLBACKTYPE_nmi",
        CALLBACKOP_REGISTER = "CALLBACKOP_register",
        CALLBACKF_MASK_EVENTS = "CALLBACKF_mask_events",
    }
    xen {
        HYPERVISOR_SET_TRAP_TABLE = "__HYPERVISOR_set_trap_table",
        HYPERVISOR_MMU_UPDATE = "__HYPERVISOR_mmu_update",
        HYPERVISOR_STACK_SWITCH = "__HYPERVISOR_stack_switch",
        HYPERVISOR_FPU_TASKSWITCH = "__HYPERVISOR_fpu_taskswitch",
        HYPERVISOR_MEMORY_OP = "__HYPERVISOR_memory_op",
        HYPERVISOR_MULTICALL = "__HYPERVISOR_multicall",
        HYPERVISOR_UPDATE_VA_MAPPING = "__HYPERVISOR_update_va_mapping",
        HYPERVISOR_XEN_VERSION = "__HYPERVISOR_xen_version",
        HYPERVISOR_CONSOLE_IO = "__HYPERVISOR_console_io",
        HYPERVISOR_GRANT_TABLE_OP = "__HYPERVISOR_grant_table_op",
        HYPERVISOR_VM_ASSIST = "__HYPERVISOR_vm_assist",
        HYPERVISOR_IRET = "__HYPERVISOR_iret",
        HYPERVISOR_VCPU_OP = "__HYPERVISOR_vcpu_op",
        HYPERVISOR_SET_SEGMENT_BASE = "__HYPERVISOR_set_segment_base",
        HYPERVISOR_MMUEXT_OP = "__HYPERVISOR_mmuext_op",
        HYPERVISOR_SCHED_OP = "__HYPERVISOR_sched_op",
        HYPERVISOR_CALLBACK_OP = "__HYPERVISOR_callback_op",
        HYPERVISOR_EVENT_CHANNEL_OP = "__HYPERVISOR_event_channel_op",
        HYPERVISOR_HVM_OP = "__HYPERVISOR_hvm_op",
        HYPERVISOR_DM_OP = "__HYPERVISOR_dm_op",
        DOMID_FIRST_RESERVED = "DOMID_FIRST_RESERVED",
        DOMID_SELF = "DOMID_SELF",
        DOMID_INVALID = "DOMID_INVALID",
        CONSOLEIO_WRITE = "CONSOLEIO_write",
        MMU_NORMAL_PT_UPDATE = "MMU_NORMAL_PT_UPDATE",
        MMU_PT_UPDATE_NO_TRANSLATE = "MMU_PT_UPDATE_NO_TRANSLATE",
        MMUEXT_PIN_L1_TABLE = "MMUEXT_PIN_L1_TABLE",
        MMUEXT_PIN_L4_TABLE = "MMUEXT_PIN_L4_TABLE",
        MMUEXT_UNPIN_TABLE = "MMUEXT_UNPIN_TABLE",
        MMUEXT_NEW_BASEPTR = "MMUEXT_NEW_BASEPTR",
        MMUEXT_TLB_FLUSH_LOCAL = "MMUEXT_TLB_FLUSH_LOCAL",
        MMUEXT_INVLPG_LOCAL = "MMUEXT_INVLPG_LOCAL",
        MMUEXT_SET_LDT = "MMUEXT_SET_LDT",
        MMUEXT_NEW_USER_BASEPTR = "MMUEXT_NEW_USER_BASEPTR",
        VIRQ_TIMER = "VIRQ_TIMER",
        UVMF_NONE = "UVMF_NONE",
        UVMF_TLB_FLUSH = "UVMF_TLB_FLUSH",
        UVMF_INVLPG = "UVMF_INVLPG",
        SIF_INITDOMAIN = "SIF_INITDOMAIN",
        SIF_MOD_START_PFN = "SIF_MOD_START_PFN",
        MAX_GUEST_CMDLINE = "MAX_GUEST_CMDLINE",
        LEGACY_MAX_VCPUS = "XEN_LEGACY_MAX_VCPUS",
    }
    io::blkif {
        OP_READ = "BLKIF_OP_READ",
        OP_WRITE = "BLKIF_OP_WRITE",
        OP_WRITE_BARRIER = "BLKIF_OP_WRITE_BARRIER",
        OP_FLUSH_DISKCACHE = "BLKIF_OP_FLUSH_DISKCACHE",
        OP_DISCARD = "BLKIF_OP_DISCARD",
        OP_INDIRECT = "BLKIF_OP_INDIRECT",
        MAX_SEGMENTS_PER_REQUEST = "BLKIF_MAX_SEGMENTS_PER_REQUEST",
        MAX_INDIRECT_PAGES_PER_REQUEST = "BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST",
        DISCARD_SECURE = "BLKIF_DISCARD_SECURE",
        RSP_OKAY = "BLKIF_RSP_OKAY",
        RSP_ERROR = "BLKIF_RSP_ERROR",
        RSP_EOPNOTSUPP = "BLKIF_RSP_EOPNOTSUPP",
        VDISK_CDROM = "VDISK_CDROM",
        VDISK_REMOVABLE = "VDISK_REMOVABLE",
        VDISK_READONLY = "VDISK_READONLY",
    }
    io::console {
        IN_LEN = "sizeof(((struct xencons_interface *)0)->in)",
        OUT_LEN = "sizeof(((struct xencons_interface *)0)->out)",
        IN = "offsetof(struct xencons_interface, in)",
        OUT = "offsetof(struct xencons_interface, out)",
        IN_CONS = "offsetof(struct xencons_interface, in_cons)",
        IN_PROD = "offsetof(struct xencons_interface, in_prod)",
        OUT_CONS = "offsetof(struct xencons_interface, out_cons)",
        OUT_PROD = "offsetof(struct xencons_interface, out_prod)",
    }
    io::libxenvchan {
        LEFT_CONS = "offsetof(struct vchan_interface, left.cons)",
        LEFT_PROD = "offsetof(struct vchan_interface, left.prod)",
        RIGHT_CONS = "offsetof(struct vchan_interface, right.cons)",
        RIGHT_PROD = "offsetof(struct vchan_interface, right.prod)",
        LEFT_ORDER = "offsetof(struct vchan_interface, left_order)",
        RIGHT_ORDER = "offsetof(struct vchan_interface, right_order)",
        CLI_LIVE = "offsetof(struct vchan_interface, cli_live)",
        SRV_LIVE = "offsetof(struct vchan_interface, srv_live)",
        CLI_NOTIFY = "offsetof(struct vchan_interface, cli_notify)",
        SRV_NOTIFY = "offsetof(struct vchan_interface, srv_notify)",
        GRANTS = "offsetof(struct vchan_interface, grants)",
        VCHAN_NOTIFY_WRITE = "VCHAN_NOTIFY_WRITE",
        VCHAN_NOTIFY_READ = "VCHAN_NOTIFY_READ",
    }
    io::netif {
        TXF_CSUM_BLANK = "NETTXF_csum_blank",
        TXF_DATA_VALIDATED = "NETTXF_data_validated",
        TXF_MORE_DATA = "NETTXF_more_data",
        TXF_EXTRA_INFO = "NETTXF_extra_info",
        RXF_DATA_VALIDATED = "NETRXF_data_validated",
        RXF_CSUM_BLANK = "NETRXF_csum_blank",
        RXF_MORE_DATA = "NETRXF_more_data",
        RXF_EXTRA_INFO = "NETRXF_extra_info",
        RXF_GSO_PREFIX = "NETRXF_gso_prefix",
        RSP_DROPPED = "NETIF_RSP_DROPPED",
        RSP_ERROR = "NETIF_RSP_ERROR",
        RSP_OKAY = "NETIF_RSP_OKAY",
        RSP_NULL = "NETIF_RSP_NULL",
        EXTRA_TYPE_GSO = "XEN_NETIF_EXTRA_TYPE_GSO",
        EXTRA_TYPE_MCAST_ADD = "XEN_NETIF_EXTRA_TYPE_MCAST_ADD",
        EXTRA_TYPE_MCAST_DEL = "XEN_NETIF_EXTRA_TYPE_MCAST_DEL",
        EXTRA_TYPE_HASH = "XEN_NETIF_EXTRA_TYPE_HASH",
        EXTRA_FLAG_MORE = "XEN_NETIF_EXTRA_FLAG_MORE",
        GSO_TYPE_TCPV4 = "XEN_NETIF_GSO_TYPE_TCPV4",
        GSO_TYPE_TCPV6 = "XEN_NETIF_GSO_TYPE_TCPV6",
    }
    io::ring {
        REQ_PROD = "offsetof(struct test_sring, req_prod)",
        REQ_EVENT = "offsetof(struct test_sring, req_event)",
        RSP_PROD = "offsetof(struct test_sring, rsp_prod)",
        RSP_EVENT = "offsetof(struct test_sring, rsp_event)",
        HEADER_LEN = "offsetof(struct test_sring, ring)",
    }
    io::xenbus {
        UNKNOWN = "XenbusStateUnknown",
        INITIALISING = "XenbusStateInitialising",
        INIT_WAIT = "XenbusStateInitWait",
        INITIALISED = "XenbusStateInitialised",
        CONNECTED = "XenbusStateConnected",
        CLOSING = "XenbusStateClosing",
        CLOSED = "XenbusStateClosed",
        RECONFIGURING = "XenbusStateReconfiguring",
        RECONFIGURED = "XenbusStateReconfigured",
    }
    io::xs_wire {
        XS_CONTROL = "XS_CONTROL",
        XS_DIRECTORY = "XS_DIRECTORY",
        XS_READ = "XS_READ",
        XS_GET_PERMS = "XS_GET_PERMS",
        XS_WATCH = "XS_WATCH",
        XS_UNWATCH = "XS_UNWATCH",
        XS_TRANSACTION_START = "XS_TRANSACTION_START",
        XS_TRANSACTION_END = "XS_TRANSACTION_END",
        XS_INTRODUCE = "XS_INTRODUCE",
        XS_RELEASE = "XS_RELEASE",
        XS_GET_DOMAIN_PATH = "XS_GET_DOMAIN_PATH",
        XS_WRITE = "XS_WRITE",
        XS_MKDIR = "XS_MKDIR",
        XS_RM = "XS_RM",
        XS_SET_PERMS = "XS_SET_PERMS",
        XS_WATCH_EVENT = "XS_WATCH_EVENT",
        XS_ERROR = "XS_ERROR",
        XS_IS_DOMAIN_INTRODUCED = "XS_IS_DOMAIN_INTRODUCED",
        XS_RESUME = "XS_RESUME",
        XS_SET_TARGET = "XS_SET_TARGET",
        XS_RESET_WATCHES = "XS_RESET_WATCHES",
        XS_DIRECTORY_PART = "XS_DIRECTORY_PART",
        PAYLOAD_MAX = "XENSTORE_PAYLOAD_MAX",
        ABS_PATH_MAX = "XENSTORE_ABS_PATH_MAX",
        REL_PATH_MAX = "XENSTORE_REL_PATH_MAX",
        RING_LEN = "XENSTORE_RING_SIZE",
        REQ = "offsetof(struct xenstore_domain_interface, req)",
        RSP = "offsetof(struct xenstore_domain_interface, rsp)",
        REQ_CONS = "offsetof(struct xenstore_domain_interface, req_cons)",
        REQ_PROD = "offsetof(struct xenstore_domain_interface, req_prod)",
        RSP_CONS = "offsetof(struct xenstore_domain_interface, rsp_cons)",
        RSP_PROD = "offsetof(struct xenstore_domain_interface, rsp_prod)",
        SERVER_FEATURES = "offsetof(struct xenstore_domain_interface, server_features)",
        CONNECTION = "offsetof(struct xenstore_domain_interface, connection)",
        ERROR = "offsetof(struct xenstore_domain_interface, error)",
    }
}

structures! {
    event_channel {
        AllocUnbound = "struct evtchn_alloc_unbound" { dom, remote_dom, port }
        BindInterdomain = "struct evtchn_bind_interdomain" { remote_dom, remote_port, local_port }
        BindVirq = "struct evtchn_bind_virq" { virq, vcpu, port }
        Close = "struct evtchn_close" { port }
        Send = "struct evtchn_send" { port }
    }
    grant_table {
        EntryV1 = "struct grant_entry_v1" { flags, domid, frame }
        SetupTable = "struct gnttab_setup_table" { dom, nr_frames, status, frame_list }
        QuerySize = "struct gnttab_query_size" { dom, nr_frames, max_nr_frames, status }
        SetVersion = "struct gnttab_set_version" { version }
        MapGrantRef = "struct gnttab_map_grant_ref" { host_addr, flags, gref = "ref", dom, status, handle, dev_bus_addr }
        UnmapGrantRef = "struct gnttab_unmap_grant_ref" { host_addr, dev_bus_addr, handle, status }
    }
    hvm {
        Param = "struct xen_hvm_param" { domid, index, value }
        DmOpBuf = "struct xen_dm_op_buf" { h, size }
    }
    memory {
        MachphysMapping = "struct xen_machphys_mapping" { v_start, v_end, max_mfn }
        Reservation = "struct xen_memory_reservation" { extent_start, nr_extents, extent_order, mem_flags, domid }
        AddToPhysmap = "struct xen_add_to_physmap" { domid, size, space, idx, gpfn }
        RemoveFromPhysmap = "struct xen_remove_from_physmap" { domid, gpfn }
        AcquireResource = "struct xen_mem_acquire_resource" { domid, kind = "type", id, nr_frames, frame, frame_list }
    }
    sched {
        Shutdown = "struct sched_shutdown" { reason }
        Poll = "struct sched_poll" { ports, nr_ports, timeout }
        RemoteShutdown = "struct sched_remote_shutdown" { domain_id, reason }
    }
    vcpu {
        SetSingleshotTimer = "struct vcpu_set_singleshot_timer" { timeout_abs_ns, flags }
        RegisterTimeMemoryArea = "struct vcpu_register_time_memory_area" { addr }
        RunstateInfo = "struct vcpu_runstate_info" { state, state_entry_time, time }
    }
    version {
        FeatureInfo = "struct xen_feature_info" { submap_idx, submap }
    }
    x86 {
        TrapInfo = "struct trap_info" { vector, flags, cs, address }
        CallbackRegister = "struct callback_register" { kind = "type", flags, address }
        IretContext = "struct iret_context" { rax, r11, rcx, flags, rip, cs, rflags, rsp, ss }
        ArchVcpuInfo = "struct arch_vcpu_info" { cr2 }
        ArchSharedInfo = "struct arch_shared_info" { max_pfn, pfn_to_mfn_frame_list_list, nmi_reason, p2m_cr3, p2m_vaddr, p2m_generation }
    }
    xen {
        MmuUpdate = "struct mmu_update" { ptr, val }
        MmuextOp = "struct mmuext_op" { cmd, arg1, arg2 }
        MulticallEntry = "struct multicall_entry" { op, result, args }
        StartInfo = "struct start_info" { magic, nr_pages, shared_info, flags, store_mfn, store_evtchn, console_mfn = "console.domU.mfn", console_evtchn = "console.domU.evtchn", pt_base, nr_pt_frames, mfn_list, mod_start, mod_len, cmd_line, first_p2m_pfn, nr_p2m_frames }
        VcpuTimeInfo = "struct vcpu_time_info" { version, tsc_timestamp, system_time, tsc_to_system_mul, tsc_shift, flags }
        VcpuInfo = "struct vcpu_info" { evtchn_upcall_pending, evtchn_upcall_mask, evtchn_pending_sel, arch, time }
        SharedInfo = "struct shared_info" { vcpu_info, evtchn_pending, evtchn_mask, wc_version, wc_sec, wc_nsec, wc_sec_hi, arch }
    }
    io::blkif {
        Segment = "struct blkif_request_segment" { gref, first_sect, last_sect }
        Request = "struct blkif_request" { operation, nr_segments, handle, id, sector_number, seg }
        IndirectRequest = "struct blkif_request_indirect" { operation, indirect_op, nr_segments, id, sector_number, handle, indirect_grefs }
        DiscardRequest = "struct blkif_request_discard" { operation, flag, handle, id, sector_number, nr_sectors }
        Response = "struct blkif_response" { id, operation, status }
    }
    io::netif {
        TxRequest = "struct netif_tx_request" { gref, offset, flags, id, size }
        TxResponse = "struct netif_tx_response" { id, status }
        RxRequest = "struct netif_rx_request" { id, gref }
        RxResponse = "struct netif_rx_response" { id, offset, flags, status }
        ExtraInfo = "struct netif_extra_info" { kind = "type", flags, gso_size = "u.gso.size", gso_type = "u.gso.type", pad = "u.gso.pad", gso_features = "u.gso.features" }
    }
    io::xs_wire {
        SockMsg = "struct xsd_sockmsg" { kind = "type", req_id, tx_id, len }
    }
}

#[test]
fn every_number_and_structure_is_that_of_the_c_headers() {
    assert!(Path::new("/usr/include/xen/xen.h").exists(), "no /usr/include/xen/xen.h: install libxen-dev");
    let checks: Vec<Check> = constants().into_iter().chain(structures()).collect();
    let values = run_c(&checks);
    let wrong: Vec<String> = (checks.iter().zip(&values))
        .filter(|(check, value)| check.value != **value)
        .map(|(check, value)| format!("{} is {}, and {} is {value}", check.name, check.value, check.c))
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), checks.len(), wrong.join("\n"));
}

#[test]
fn every_number_and_field_of_the_crate_is_compared() {
    let mut compared = BTreeMap::new();
    for check in constants().into_iter().chain(structures()) {
        assert!(compared.insert(check.name.clone(), ()).is_none(), "{} is compared twice", check.name);
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for module in std::fs::read_dir(&sources)
        .expect("src")
        .chain(std::fs::read_dir(sources.join("io")).expect("src/io"))
    {
        let path = module.expect("src is readable").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let inside = path.strip_prefix(&sources).expect("it is below").with_extension("");
        let module = inside.to_str().expect("ASCII names").replace('/', "::");
        let module = if module == "lib" { String::new() } else { format!("{module}::") };
        for name in names(&std::fs::read_to_string(&path).expect("src is readable")) {
            let name = format!("{module}{name}");
            let known = compared.contains_key(&name) || NOT_IN_C.contains(&&*name);
            assert!(known, "{name} is compared with nothing: add it to the tables of this test");
            seen += 1;
        }
    }
    assert!(seen > 200, "only {seen} names found: the scan of the source is broken");
}

/// Constants, structures, and their fields but for the padding, as the tables name them.
fn names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut structure = String::new();
    for line in source.lines() {
        let word =
            |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_string);
        if let Some(name) =
            line.strip_prefix("pub const ").filter(|text| !text.starts_with("fn ")).and_then(word)
        {
            names.push(name);
        } else if let Some(name) = line.strip_prefix("pub struct ").and_then(word) {
            names.push(name.clone());
            structure = name;
        } else if let Some(field) =
            line.strip_prefix("    pub ").filter(|text| !text.contains("fn ")).and_then(word)
            && !field.starts_with("pad")
        {
            names.push(format!("{structure}.{field}"));
        }
    }
    names
}

/// Compiles and runs a program that prints what each expression is worth.
fn run_c(checks: &[Check]) -> Vec<i64> {
    let mut source = String::from(
        "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n#include <errno.h>\n",
    );
    source.push_str("#define __XEN_INTERFACE_VERSION__ 0x00040e00\n#define __XEN_TOOLS__ 1\n");
    for header in HEADERS {
        writeln!(source, "#include <xen/{header}.h>").expect("a string");
    }
    source.push_str("DEFINE_RING_TYPES(test, uint64_t, uint64_t);\nint main(void)\n{\n");
    for check in checks {
        writeln!(source, "    printf(\"%lld\\n\", (long long)({}));", check.c).expect("a string");
    }
    source.push_str("    return 0;\n}\n");

    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (file, program) = (directory.join("layout.c"), directory.join("layout"));
    std::fs::write(&file, source).expect("the target directory is writable");
    let built = Command::new("cc").arg("-o").arg(&program).arg(&file).output().expect("no cc: install gcc");
    assert!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(&program).output().expect("it was just built");
    assert!(ran.status.success(), "the C program failed: {}", ran.status);
    let values: Vec<i64> =
        String::from_utf8_lossy(&ran.stdout).lines().map(|line| line.parse().expect("a number")).collect();
    assert_eq!(values.len(), checks.len(), "one line for each expression");
    values
}
