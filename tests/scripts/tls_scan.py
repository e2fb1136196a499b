#!/usr/bin/env python3
"""Scans a TLS listener of a pushguard with sslscan and testssl.sh, and prints what they found.

tls_scan.py GUARD   fails where a scanner finds a version, cipher or defect that should not be there.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

from house import follow, stop

POLICY = "version: 1\nprincipals: {}\n"
# What is told and is as it should be, by the beginning of its id.
ACCEPTED = {
    "cert_": "made on the spot: no chain to a public authority, a short life, no way to ask whether it was revoked",
    "DNS_CAA": "the name is localhost",
    "cipher_order": "the client chooses: all ciphers are AEAD with forward secrecy, and it knows which it is quick at",
    "HSTS": "no browser is sent here by a link in clear text",
}


def certificate(folder):
    files = [os.path.join(folder, name) for name in ("tls.crt", "tls.key")]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1]]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return files


def sslscan(address):
    """Versions and ciphers that are taken."""
    command = ["sslscan", "--xml=-", "--no-colour", "--sni-name=localhost", address]
    found = tree.fromstring(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    versions = {p.get("type").upper() + "v" + p.get("version"): p.get("enabled") == "1" for p in found.iter("protocol")}
    ciphers = sorted({f"{c.get('sslversion')} {c.get('cipher')} ({c.get('strength')})" for c in found.iter("cipher")})
    defects = [f"{h.get('sslversion')} heartbleed" for h in found.iter("heartbleed") if h.get("vulnerable") == "1"]
    for name in ("renegotiation", "compression"):
        defects += [name for one in found.iter(name) if one.get("supported") == "1" and name == "compression"]
        defects += ["insecure renegotiation" for one in found.iter(name) if one.get("secure") == "0" and one.get("supported") == "1"]
    taken = [name for name, enabled in versions.items() if enabled]
    print("sslscan: versions", ", ".join(taken))
    print("\n".join(f"sslscan: {cipher}" for cipher in ciphers))
    bad = [name for name in taken if name not in ("TLSv1.2", "TLSv1.3")]
    bad += [cipher for cipher in ciphers if "(strong)" not in cipher and "(acceptable)" not in cipher]
    return bad + defects


def testssl(address, folder):
    """Findings that are worse than fine and not accepted."""
    file = os.path.join(folder, "testssl.json")
    command = ["testssl", "--quiet", "--warnings", "off", "--color", "0", "--ip", "one", "--jsonfile", file, address]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=900)
    findings = json.load(open(file))
    if len(findings) < 50:
        sys.exit(f"testssl found next to nothing: {findings}")
    count = {}
    for finding in findings:
        count[finding["severity"]] = count.get(finding["severity"], 0) + 1
    print("testssl.sh:", ", ".join(f"{count[severity]} {severity}" for severity in sorted(count)))
    # A warning is about the scanner's own tools.
    told, bad = [f for f in findings if f["severity"] not in ("OK", "INFO", "DEBUG", "WARN")], []
    for finding in told:
        why = next((why for beginning, why in ACCEPTED.items() if finding["id"].startswith(beginning)), None)
        print(f"testssl.sh: {finding['severity']} {finding['id']}: {finding['finding']} ({why or 'NOT EXPECTED'})")
        bad += [] if why else [finding["id"]]
    return bad


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "policy.yaml"), "w") as file:
            file.write(POLICY)
        chain, key = certificate(folder)
        command = [sys.argv[1], "serve", "--policy.file", f"{folder}/policy.yaml", "--upstream.url", "http://127.0.0.1:1"]
        command += ["--web.tls-cert-file", chain, "--web.tls-key-file", key]
        command += ["--web.listen-address", "127.0.0.1:0", "--admin.listen-address", "127.0.0.1:0"]
        guard, address = follow(command, folder, "guard.log", r"msg=listening listener=default address=(\S+).*msg=ready")
        try:
            bad = sslscan(address) + testssl(address, folder)
        finally:
            stop(guard)
    if bad:
        sys.exit(f"not as it should be: {', '.join(bad)}")
    print("nothing that should not be there")


if __name__ == "__main__":
    main()
