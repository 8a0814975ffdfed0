"""The libraries that Linux and macOS provide, so that a bundle need not bring them: data, no code.

Sources: PEP 513, 571, 599 and 600 with the policies that auditwheel keeps for them; the SDK of macOS.
"""

from __future__ import annotations

import posixpath

from bundle.model.platforms import PLATFORMS

LINUX_BASE = frozenset(
    {
        *(posixpath.basename(loader) for platform in PLATFORMS.values() for loader in platform.loaders),
        "libBrokenLocale.so.1",
        "libanl.so.1",
        "libc.so.6",
        "libdl.so.2",
        "libm.so.6",
        "libmvec.so.1",
        "libnsl.so.1",
        "libpthread.so.0",
        "libresolv.so.2",
        "librt.so.1",
        "libthread_db.so.1",
        "libutil.so.1",
    }
)
"""The C library itself, on every Linux system."""

LINUX_RUN_PATH = "/usr/$LIB"
"""A run path that stands for the folder of the system's libraries, whichever name it has there (ld.so(8))."""

CARRIED = "lib/carried"
"""Folder of a bundle with libraries for systems that lack them; the loader takes those of the system first."""

LINUX_EXPECTED = frozenset(
    {
        "libGL.so.1",
        "libICE.so.6",
        "libSM.so.6",
        "libX11.so.6",
        "libXext.so.6",
        "libXrender.so.1",
        "libatomic.so.1",
        "libexpat.so.1",
        "libgcc_s.so.1",
        "libglib-2.0.so.0",
        "libgobject-2.0.so.0",
        "libgthread-2.0.so.0",
        "libstdc++.so.6",
        "libz.so.1",
    }
)
"""Further libraries that wheels may expect (PEP 600), absent from a system with only the C library."""

LINUX_DRIVERS = frozenset(
    {"libcuda.so.1", "libnvidia-ml.so.1", "libOpenCL.so.1", "libnvcuvid.so.1", "libhsa-runtime64.so.1"}
)
"""Libraries of device drivers, useless without the device, which a bundle must not bring."""

SYMBOL_VERSIONS = {
    "2.5": {"GLIBCXX": "3.4.8", "CXXABI": "1.3.1", "GCC": "4.2.0"},
    "2.12": {"GLIBCXX": "3.4.13", "CXXABI": "1.3.3", "GCC": "4.3.0"},
    "2.17": {"GLIBCXX": "3.4.19", "CXXABI": "1.3.7", "GCC": "4.8.0"},
    "2.24": {"GLIBCXX": "3.4.22", "CXXABI": "1.3.10", "GCC": "4.8.0"},
    "2.26": {"GLIBCXX": "3.4.22", "CXXABI": "1.3.10", "GCC": "7.0.0"},
    "2.27": {"GLIBCXX": "3.4.24", "CXXABI": "1.3.11", "GCC": "7.0.0"},
    "2.31": {"GLIBCXX": "3.4.28", "CXXABI": "1.3.12", "GCC": "7.0.0"},
    "2.34": {"GLIBCXX": "3.4.29", "CXXABI": "1.3.13", "GCC": "11.0"},
    "2.35": {"GLIBCXX": "3.4.30", "CXXABI": "1.3.13", "GCC": "12.0.0"},
    "2.38": {"GLIBCXX": "3.4.32", "CXXABI": "1.3.14", "GCC": "13.0.0"},
    "2.39": {"GLIBCXX": "3.4.33", "CXXABI": "1.3.15", "GCC": "14.0.0"},
}
"""The newest symbol versions that libstdc++ and libgcc_s have on every usual system from a glibc on."""

MACOS_FOLDERS = ("/usr/lib/swift/", "/usr/lib/system/", "/System/Library/")
"""The folders of libraries that are part of macOS (and since 11.0 need not exist as files)."""

_MACOS = """
AppleArchive DiagnosticMessagesClient MobileGestalt System System.B archive archive.2 bsm bsm.0 bz2 bz2.1.0 c c++ c++.1
c++abi charset charset.1 com_err compression coretls cups cups.2 cupsimage cupsimage.2 curl curl.4 curses dbm dl dtrace
edit edit.2 edit.3 expat expat.1 exslt exslt.0 ffi form form.5.4 gssapi_krb5 iconv iconv.2 icucore icucore.A info
k5crypto krb5 krb5support lber ldap lzma lzma.5 m menu menu.5.4 ncurses ncurses.5.4 netsnmp netsnmp.25 network objc
objc.A pam pam.2 panel panel.5.4 pcap pcap.A poll proc pthread readline resolv resolv.9 rpcsvc sandbox sandbox.1 sasl2
sasl2.2 sqlite3 sqlite3.0 termcap tidy tidy.A util util1.0 xar xar.1 xml2 xml2.2 xslt xslt.1 z z.1
"""

MACOS_LIBRARIES = frozenset(f"/usr/lib/lib{name}.dylib" for name in _MACOS.split())
"""Those in /usr/lib that every macOS has had since 11.0; others may exist."""
