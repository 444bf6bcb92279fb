"""Google Cloud KMS as far as it is used, in a gRPC server of its own: it keeps state, and fails on demand."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import google_crc32c
import grpc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud import kms_v1

NAME = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
SERVICE = "google.cloud.kms.v1.KeyManagementService"


class FakeKms:
    """`faults`: what the next calls do instead, one each: `crc`, `unchecked`, `slow`, or a status to fail with."""

    def __init__(self) -> None:
        self.versions: dict[str, AESGCM] = {}
        self.primary = ""
        self.faults: list[str | grpc.StatusCode] = []
        self.calls: Counter[str] = Counter()
        self._add()

    async def start(self) -> int:
        self._server = grpc.aio.server()
        methods: dict[str, tuple[Callable[..., Any], type[Any], type[Any]]] = {
            "Encrypt": (self._encrypt, kms_v1.EncryptRequest, kms_v1.EncryptResponse),
            "Decrypt": (self._decrypt, kms_v1.DecryptRequest, kms_v1.DecryptResponse),
            "GetCryptoKey": (self._get, kms_v1.GetCryptoKeyRequest, kms_v1.CryptoKey),
            "CreateCryptoKeyVersion": (self._create, kms_v1.CreateCryptoKeyVersionRequest, kms_v1.CryptoKeyVersion),
            "UpdateCryptoKeyPrimaryVersion": (
                self._update,
                kms_v1.UpdateCryptoKeyPrimaryVersionRequest,
                kms_v1.CryptoKey,
            ),
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._faulty(name, answer), request_deserializer=asked.deserialize, response_serializer=said.serialize
            )
            for name, (answer, asked, said) in methods.items()
        }
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
        port: int = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return port

    async def stop(self) -> None:
        await self._server.stop(None)

    def destroy(self, version: str) -> None:
        del self.versions[version]

    def _add(self) -> str:
        number = str(len(self.versions) + 1)
        self.versions[number] = AESGCM(os.urandom(32))
        self.primary = self.primary or number
        return number

    def _faulty(self, name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        async def handle(request: Any, context: Any) -> Any:
            self.calls[name] += 1
            fault = self.faults.pop(0) if self.faults else ""
            if isinstance(fault, grpc.StatusCode):
                await context.abort(fault, "on demand")
            if fault == "slow":
                await asyncio.sleep(30)
            said = await answer(request, context)
            if fault == "crc" and name == "Encrypt":
                said.ciphertext_crc32c += 1
            elif fault == "crc":
                said.plaintext_crc32c += 1
            elif fault == "unchecked":
                said.verified_plaintext_crc32c = False
            return said

        return handle

    async def _encrypt(self, request: Any, context: Any) -> Any:
        if google_crc32c.value(request.plaintext) != request.plaintext_crc32c:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "checksum")
        nonce, bound = os.urandom(12), request.additional_authenticated_data
        sealed = self.versions[self.primary].encrypt(nonce, request.plaintext, bound)
        data = self.primary.encode() + b":" + nonce + sealed
        return kms_v1.EncryptResponse(
            name=f"{NAME}/cryptoKeyVersions/{self.primary}",
            ciphertext=data,
            ciphertext_crc32c=google_crc32c.value(data),
            verified_plaintext_crc32c=True,
            verified_additional_authenticated_data_crc32c=google_crc32c.value(bound)
            == request.additional_authenticated_data_crc32c,
        )

    async def _decrypt(self, request: Any, context: Any) -> Any:
        number, _, rest = request.ciphertext.partition(b":")
        cipher = self.versions.get(number.decode("latin-1"))
        if cipher is None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "destroyed")
        assert cipher
        try:
            plaintext = cipher.decrypt(rest[:12], rest[12:], request.additional_authenticated_data)
        except InvalidTag:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "decryption failed")
            raise
        return kms_v1.DecryptResponse(plaintext=plaintext, plaintext_crc32c=google_crc32c.value(plaintext))

    async def _get(self, request: Any, context: Any) -> Any:
        if request.name != NAME:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such key")
        primary = kms_v1.CryptoKeyVersion(name=f"{NAME}/cryptoKeyVersions/{self.primary}")
        return kms_v1.CryptoKey(name=NAME, primary=primary)

    async def _create(self, request: Any, context: Any) -> Any:
        return kms_v1.CryptoKeyVersion(name=f"{NAME}/cryptoKeyVersions/{self._add()}")

    async def _update(self, request: Any, context: Any) -> Any:
        self.primary = request.crypto_key_version_id
        return await self._get(request, context)
