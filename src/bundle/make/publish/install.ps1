# Installs @VERSION@, which brings the command `bundle` and a Python of its own; -Help says how.
# It fetches an archive, compares it with the SHA-256 below, unpacks it into a temporary folder, and has the `bundle` in
# there install the same version from the catalogue beside this script. The layers are those that are unpacked.
param([string] $From = $env:BUNDLE_FROM, [string] $Into = $env:BUNDLE_INTO, [string] $Root, [switch] $Version, [switch] $Help)

$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue' # Drawing progress takes longer than the download.
$name = '@VERSION@'
$archives = @{
@ARCHIVES@
}

if ($Version) { Write-Output $name; return }
if ($Help) {
    Write-Output "usage: install.ps1 [-From URL|DIR] [-Into DIR] [-Root FILE] [-Version]"
    Write-Output "Installs $name, which brings the command bundle and needs no Python."
    Write-Output "-From is where this script and the catalogue are, -Into the folder that it becomes, -Root the root of trust."
    Write-Output "BUNDLE_FROM and BUNDLE_INTO stand for the first two. BUNDLE_DATA_DIR moves the data folder."
    return
}

$sha256 = $archives['windows-x64']
if (-not $sha256) { throw "There is no $name for Windows." }
$archive = "archives/$sha256.zip"
if (-not $From -and $PSScriptRoot -and (Test-Path -LiteralPath (Join-Path $PSScriptRoot $archive))) { $From = $PSScriptRoot }
if (-not $From) { $From = '@ADDRESS@' }
if (-not $From) { throw 'It is not known where the archive is. Name the address of this script with -From, without /install.ps1.' }
$From = $From.TrimEnd('/', '\')

$temporary = Join-Path ([IO.Path]::GetTempPath()) ('bundle-' + [guid]::NewGuid().ToString('N').Substring(0, 8))
New-Item -ItemType Directory -Path $temporary | Out-Null
try {
    $packed = Join-Path $temporary 'archive.zip'
    if ($From -match '^https?://') {
        [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
        Invoke-WebRequest -UseBasicParsing -Uri "$From/$archive" -OutFile $packed
    } else {
        Copy-Item -LiteralPath (Join-Path $From $archive) -Destination $packed
    }
    $found = (Get-FileHash -LiteralPath $packed -Algorithm SHA256).Hash.ToLowerInvariant()
    if ($found -ne $sha256) { throw "$archive is damaged or was changed: its SHA-256 is $found. Nothing was installed." }
    Expand-Archive -LiteralPath $packed -DestinationPath $temporary
    $tool = Join-Path $temporary '@TOP@\Scripts\bundle.exe'
    $words = @('install', $name, '--from', $From, '--reuse', (Join-Path $temporary '@TOP@'))
    if ($Into) { $words += @('--into', $Into) }
    if ($Root) { $words += @('--root', $Root) }
    & $tool @words
    if ($LASTEXITCODE) { throw "The installation failed with exit code $LASTEXITCODE." }
    $place = & $tool which $(if ($Into) { $Into } else { $name })
    Write-Output "To have the command in new windows:"
    Write-Output "  [Environment]::SetEnvironmentVariable('Path', '$place\Scripts;' + [Environment]::GetEnvironmentVariable('Path', 'User'), 'User')"
} finally {
    Remove-Item -Recurse -Force -LiteralPath $temporary
}
