"""The libraries that each system provides, so that a bundle need not bring them: data, no code.

Sources: PEP 513, 571, 599 and 600 with the policies that auditwheel keeps for them; the libraries of a plain
macOS and a plain Windows (10, Server 2016 and later).
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

MACOS_FOLDERS = ("/usr/lib/", "/System/Library/")
"""The folders of libraries that are part of macOS (and since 11.0 need not exist as files)."""

WINDOWS_PREFIXES = ("api-ms-win-", "ext-ms-")
"""The beginnings of names that Windows maps to its own libraries."""

_WINDOWS = """
activeds advapi32 advpack avicap32 avifil32 avrt bcrypt bcryptprimitives bluetoothapis cabinet cfgmgr32 clbcatq
clusapi combase comctl32 comdlg32 compstui credui crypt32 cryptbase cryptnet cryptsp cryptui cryptxml d2d1 d3d10
d3d10_1 d3d10core d3d11 d3d12 d3d9 d3dcompiler_47 davhlpr dbgeng dbghelp dcomp ddraw dfscli dhcpcsvc dhcpcsvc6
dinput8 dnsapi drvstore dsound dsparse dsrole dssec dsuiext duser dwmapi dwrite dxcore dxgi dxva2 esent evr fontsub
fwpuclnt gdi32 gdi32full gdiplus glu32 gpedit hid httpapi iasrecst icmp icuin icuuc icu imagehlp imm32 inetcomm
iphlpapi kernel32 kernelbase ksuser ktmw32 loadperf logoncli lz32 magnification mapi32 mf mfplat mfplay mfreadwrite
mlang mpr mprapi msacm32 msasn1 mscms mscoree msctf msdelta msdmo msdrm msi msimg32 mspatcha msvcp60 msvcp_win
msvcrt msvfw32 mswsock msxml3 msxml6 ncrypt ndfapi netapi32 netutils newdev ninput normaliz nsi ntdll ntdsapi
ntlanman odbc32 odbccp32 ole32 oleacc oleaut32 oledlg olepro32 opengl32 p2p pdh powrprof prntvpt profapi propsys
psapi qwave rasapi32 rasdlg resutils riched20 rpcns4 rpcrt4 rstrtmgr rtm rtutils rtworkq samcli schannel schedcli
sechost secur32 sensapi sensorsutilsv2 setupapi sfc shcore shell32 shfolder shlwapi slc snmpapi srvcli sspicli
t2embed tapi32 tbs tdh traffic txfw32 ucrtbase uiautomationcore urlmon user32 userenv usp10 uxtheme vdmdbg version
virtdisk vssapi wbemuuid wdsclientapi websocket wer wevtapi wecapi winbio windowscodecs winhttp wininet winmm
winscard winspool winsqlite3 wintrust winusb wkscli wlanapi wldap32 wldp wmvcore wofutil ws2_32 wscapi wsock32
wtsapi32 xinput1_4 xinput9_1_0 xmllite xolehlp xpsprint
"""

WINDOWS_SYSTEM = frozenset({*(f"{name}.dll" for name in _WINDOWS.split()), "winspool.drv"})
"""Libraries in System32 of every Windows."""

WINDOWS_EXPECTED = frozenset(
    {
        "concrt140.dll",
        "msvcp140.dll",
        "msvcp140_1.dll",
        "msvcp140_2.dll",
        "msvcp140_atomic_wait.dll",
        "vccorlib140.dll",
        "vcomp140.dll",
        "vcruntime140.dll",
        "vcruntime140_1.dll",
        "vcruntime140_threads.dll",
    }
)
"""The Visual C++ redistributable: not part of Windows, but on most machines. CPython brings vcruntime140."""

WINDOWS_DRIVERS = frozenset({"nvcuda.dll", "nvml.dll", "opencl.dll", "vulkan-1.dll", "nvcuvid.dll"})
"""Libraries of device drivers."""
