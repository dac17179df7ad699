# /// program
# about = "hashlib, hmac, secrets, uuid: known digests, comparison, random tokens that differ."
# value = "UUID('12345678-1234-5678-1234-567812345678')"
# stdout = '''
# md5      fbbfafc9636b48d74cf6dc683d45f58b
# sha1     f9b3225e0c4c220e09aed9d70489b0ff
# sha256   964dd5d98b5690a7b39c976fe5908965
# sha3_256 b74c3c0c4ee538d55210f6a7652a839d
# blake2b  0338f09edfb303edb1234e4a732ad035
# True 64
# 6e9ef29b75fffc5b
# True False
# 8bc1130136414d1c e472c5e394
# unsupported hash type nonsense
# 50 {32} 7 True
# aad03681-8b63-5304-89e0-8ca8f49461b5 4 True
# '''
# ///
import hashlib
import hmac
import secrets
import uuid

for name in ("md5", "sha1", "sha256", "sha3_256", "blake2b"):
    print(f"{name:<9}{hashlib.new(name, b'dspex').hexdigest()[:32]}")
digest = hashlib.sha256()
for part in (b"d", b"sp", b"ex"):
    digest.update(part)
print(digest.hexdigest() == hashlib.sha256(b"dspex").hexdigest(), digest.block_size)
print(hmac.new(b"key", b"message", "sha256").hexdigest()[:16])
print(hmac.compare_digest(b"a" * 32, b"a" * 32), hmac.compare_digest("a", "b"))
print(hashlib.blake2s(b"x", digest_size=8, key=b"k").hexdigest(), hashlib.shake_128(b"x").hexdigest(5))
try:
    hashlib.new("nonsense")
except ValueError as error:
    print(error)
tokens = {secrets.token_hex(16) for _ in range(50)}
print(len(tokens), {len(t) for t in tokens}, secrets.choice([7]), 0 <= secrets.randbelow(10) < 10)
print(uuid.uuid5(uuid.NAMESPACE_DNS, "example.org"), uuid.uuid4().version, uuid.uuid4() != uuid.uuid4())
uuid.UUID("12345678123456781234567812345678")
