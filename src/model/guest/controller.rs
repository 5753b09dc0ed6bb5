//! A guest's controllers that do not follow from its disks.

/// A controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// What Xen's own devices hang on.
    Xenbus {
        /// The most pages of grants, where it is not the host's own limit.
        max_grant_frames: Option<u32>,
        /// The most event channels, where it is not the host's own limit.
        max_event_channels: Option<u32>,
    },
    /// USB.
    Usb {
        /// What the guest sees; None: the toolstack's choice.
        model: Option<UsbModel>,
        /// How many sockets it has; None: the toolstack's choice.
        ports: Option<u32>,
    },
}

impl Controller {
    /// What hangs on no limits: every guest has it.
    pub const XENBUS: Controller = Controller::Xenbus { max_grant_frames: None, max_event_channels: None };

    /// The type in domain XML.
    pub fn type_name(&self) -> &'static str {
        match self {
            Controller::Xenbus { .. } => "xenbus",
            Controller::Usb { .. } => "usb",
        }
    }
}

/// What a guest sees of a USB controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UsbModel {
    /// Xen's own, USB 1.
    Qusb1,
    /// Xen's own, USB 2.
    Qusb2,
    /// Emulated, USB 1.
    Uhci,
    /// Emulated, USB 2.
    Ehci,
    /// Emulated, USB 3.
    Xhci,
}

impl UsbModel {
    /// All, with domain XML's words; the first word of each is written.
    pub const ALL: [(UsbModel, &'static str); 7] = [
        (UsbModel::Qusb1, "qusb1"),
        (UsbModel::Qusb2, "qusb2"),
        (UsbModel::Uhci, "piix3-uhci"),
        (UsbModel::Uhci, "piix4-uhci"),
        (UsbModel::Ehci, "ehci"),
        (UsbModel::Xhci, "nec-xhci"),
        (UsbModel::Xhci, "qemu-xhci"),
    ];

    /// domain XML's word.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(model, _)| *model == self).map_or("", |(_, name)| name)
    }
}
