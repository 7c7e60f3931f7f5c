"""Certificates for tests with TLS: a CA, what it signed, and a stranger's; made with openssl, good for two days."""
import pathlib
import subprocess


def certificates(folder):
    """Made with openssl: {"ca", "server", "server_key", "client", "client_key", "wrong_host", "wrong_host_key",
    "stranger_ca", "stranger", "stranger_key"}, paths in folder. The stranger's CA is trusted by nobody."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")

    made = {}
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for ca in ("ca", "stranger_ca"):
        made[ca], made[ca + "_key"] = folder / f"{ca}.pem", folder / f"{ca}.key"
        openssl("req", "-x509", *key, "-days", 2, "-subj", f"/CN=weir test {ca}", "-keyout", made[ca + "_key"], "-out", made[ca],
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name, ca, names in (("server", "ca", "IP:127.0.0.1,DNS:localhost"), ("client", "ca", "DNS:client.invalid"),
                            ("wrong_host", "ca", "DNS:elsewhere.invalid"), ("stranger", "stranger_ca", "DNS:client.invalid")):
        made[name], made[name + "_key"] = folder / f"{name}.pem", folder / f"{name}.key"
        request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        openssl("req", "-new", *key, "-subj", f"/CN=weir test {name}", "-keyout", made[name + "_key"], "-out", request)
        openssl("x509", "-req", "-days", 2, "-in", request, "-CA", made[ca], "-CAkey", made[ca + "_key"], "-CAcreateserial",
                "-extfile", extensions, "-out", made[name])
    return {name: str(path) for name, path in made.items()}
