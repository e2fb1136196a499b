"""End to end with real parts, in two network namespaces of our own: a "pod" with gateway and pushguard wired as the sidecar
manifests wire them, and a "cluster" with Prometheus, an issuer of identities and the pusher.

e2e.py PUSHGUARD PUSHGATEWAY PROMETHEUS   Run it by `make e2e`, which enters the namespace of the cluster.
"""

import base64
import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

POD, CLUSTER = "10.77.0.2", "10.77.0.1"
HERE = Path(__file__).resolve().parents[2]
AUDIENCE = "https://push.example.com"
# Two hosts in one: what the pod's policy calls the cluster is the other end of the wire.
POLICY = f"""version: 1
listeners: {{ public: {{ trusted_proxies: [10.78.0.0/16] }}, internal: {{}} }}
sources: {{ cluster: {{ cidrs: [10.77.0.0/16], listeners: [internal] }} }}
issuers: {{ github: {{ preset: github-actions, audience: "{AUDIENCE}", jwks_file: keys.json }} }}
principals:
  run:
    token:  {{ issuer: github, claims: {{ repository_owner_id: "11", repository_id: "22" }} }}
    from:   {{ prefer: [cluster] }}
    grants: [{{ operations: [push], job: ci, labels: {{ workflow: "*" }} }}]
    payload: {{ metrics: ["exunit_*"] }}
  prometheus: {{ anonymous: true, from: {{ require: [cluster] }}, grants: [{{ operations: [scrape, probe] }}] }}
ttl: [{{ job: ci, max_age: 30s }}]
"""


def wait(what, poll, seconds=180):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = poll()
        if found:
            print(f"ok   {what}", flush=True)
            return found
        time.sleep(0.2)
    sys.exit(f"FAIL gave up waiting: {what}")


def check(what, holds):
    if not holds:
        sys.exit(f"FAIL {what}")
    print(f"ok   {what}", flush=True)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


def coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs what a run is, as the service of GitHub does, with a key made now."""

    def __init__(self, folder):
        self.key = folder / "issuer.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key],
                       check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True, capture_output=True,
                                 text=True).stdout.split("=")[1].strip()
        jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k", "n": coded(bytes.fromhex(modulus)), "e": "AQAB"}
        (folder / "keys.json").write_text(json.dumps({"keys": [jwk]}))

    def token(self):
        now = int(time.time())
        claims = {"iss": "https://token.actions.githubusercontent.com", "aud": AUDIENCE, "sub": "repo:acme/app:ref:main",
                  "jti": str(now), "iat": now, "nbf": now - 60, "exp": now + 300, "repository": "acme/app",
                  "repository_id": "22", "repository_owner": "acme", "repository_owner_id": "11", "event_name": "push",
                  "ref": "refs/heads/main", "ref_type": "branch", "run_id": "1", "workflow": "Elixir/Phoenix CI"}
        head = json.dumps({"alg": "RS256", "kid": "k", "typ": "JWT"}).encode()
        signed = f"{coded(head)}.{coded(json.dumps(claims).encode())}"
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=signed.encode(), check=True,
                                   capture_output=True).stdout
        return f"{signed}.{coded(signature)}"

    def serve(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps({"value": issuer.token()}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/token?x=1"


def open_ports():
    """Which of the pod's ports take a connection; a closed one refuses at once."""
    found = []
    for port in [*range(1, 1024), *range(9000, 10024)]:
        with socket.socket() as probe:
            probe.settimeout(30)
            if probe.connect_ex((POD, port)) == 0:
                found.append(port)
    return found


def push(folder, token_url, file, workflow):
    output = folder / "output"
    output.write_text("")
    variables = {
        "PATH": os.environ["PATH"], "INPUT_URL": f"http://{POD}:9091", "INPUT_FILE": str(file), "INPUT_JOB": "ci",
        "INPUT_LABELS": f"workflow={workflow}", "INPUT_AUDIENCE": AUDIENCE, "INPUT_TIME_LIMIT": "120",
        "ACTIONS_ID_TOKEN_REQUEST_URL": token_url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x", "GITHUB_OUTPUT": str(output),
    }
    script = HERE / "deploy/github/push-metrics/push.sh"
    subprocess.run(["bash", script], env=variables, check=True, capture_output=True)
    return dict(line.split("=", 1) for line in output.read_text().splitlines())


def main():
    guard, gateway, prometheus = sys.argv[1:]
    children = []
    folder = Path(tempfile.mkdtemp())

    def start(name, command, **more):
        children.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(folder / f"{name}.log", "w"), **more))
        return children[-1]

    try:
        run = lambda *command: subprocess.run(command, check=True)
        pod = start("pod", ["unshare", "--net", "sleep", "600"])
        wait("the pod has a network of its own",
             lambda: os.readlink(f"/proc/{pod.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        inside = ["nsenter", "--net", "--target", str(pod.pid)]
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "cluster", "type", "veth", "peer", "name", "pod", "netns", str(pod.pid))
        run("ip", "addr", "add", f"{CLUSTER}/24", "dev", "cluster")
        run("ip", "link", "set", "cluster", "up")
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "addr", "add", f"{POD}/24", "dev", "pod")
        run(*inside, "ip", "link", "set", "pod", "up")

        issuer = Issuer(folder)
        (folder / "policy.yaml").write_text(POLICY)
        start("gateway", [*inside, gateway, "--persistence.file=", "--web.listen-address=127.0.0.1:9092"])
        start("guard", [*inside, guard, "serve"], env={
            "PATH": os.environ["PATH"], "PUSHGUARD_POLICY_FILE": str(folder / "policy.yaml"),
            "PUSHGUARD_UPSTREAM_URL": "http://127.0.0.1:9092", "PUSHGUARD_STATE_DIR": str(folder / "state"),
            "PUSHGUARD_WEB_LISTEN_ADDRESS": "internal=:9091,public=:9093", "PUSHGUARD_ADMIN_LISTEN_ADDRESS": ":9095",
            "PUSHGUARD_SWEEP_INTERVAL": "2s"})
        wait("pushguard is ready", lambda: get(f"http://{POD}:9095/-/ready")[0] == 200)
        wait("the gateway is there", lambda: get(f"http://{POD}:9091/-/ready")[0] == 200)
        check("of 2047 ports of the pod only pushguard's answer", open_ports() == [9091, 9093, 9095])
        check("the gateway's profiles do not", get(f"http://{POD}:9091/debug/pprof/")[0] == 404)
        check("the public port takes nobody past the ingress", get(f"http://{POD}:9093/metrics")[0] in (401, 403))

        scrape = {"job_name": "pushgateway", "honor_labels": True, "static_configs": [{"targets": [f"{POD}:9091"]}]}
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [scrape]}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        start("prometheus", [prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                             "--web.listen-address=127.0.0.1:9090", "--log.level=debug"])

        def query(expression):
            status, body = get("http://127.0.0.1:9090/api/v1/query?query=" + urllib.parse.quote(expression))
            return json.loads(body)["data"]["result"] if status == 200 else []

        wait("Prometheus scrapes through pushguard",
             lambda: [r for r in query('up{job="pushgateway"}') if r["value"][1] == "1"])
        metrics = folder / "metrics.txt"
        metrics.write_text("# TYPE exunit_tests_total gauge\nexunit_tests_total 42\n")
        token_url = issuer.serve()
        outputs = push(folder, token_url, metrics, "Elixir/Phoenix CI")
        check("the action's script pushes by the run's identity", outputs["pushed"] == "true")
        wait("the series is in Prometheus, under the pushed labels",
             lambda: query('exunit_tests_total{job="ci",workflow="Elixir/Phoenix CI"} == 42'))
        (folder / "other.txt").write_text("billing_total 1\n")
        outputs = push(folder, token_url, folder / "other.txt", "x")
        check("what the policy does not name is refused with a reason",
              outputs["pushed"] == "false" and outputs["reason"] != "")
        wait("the sweep removes the group when its time is over",
             lambda: 'what=removed' in (folder / "guard.log").read_text())
        wait("and the series ends in Prometheus", lambda: not query('exunit_tests_total{job="ci"}'))
        wait("the scrape is well to its end", lambda: query('up{job="pushgateway"} == 1'))
        check("and never met an error of the gateway",
              "server returned HTTP status" not in (folder / "prometheus.log").read_text())
        doctor = subprocess.run([*inside, guard, "doctor", "--upstream.url", "http://127.0.0.1:9092"], capture_output=True,
                                text=True)
        check("the doctor finds nothing bad", doctor.returncode == 0)
        print("end to end: all well")
    except SystemExit:
        for log in ("guard", "gateway", "prometheus"):
            path = folder / f"{log}.log"
            if path.exists():
                print(f"--- {log}\n" + "\n".join(path.read_text().splitlines()[-25:]), file=sys.stderr)
        raise
    finally:
        for child in reversed(children):
            child.terminate()
        for child in children:
            child.wait()


if __name__ == "__main__":
    main()
