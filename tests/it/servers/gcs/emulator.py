"""gcp-storage-emulator, with what Google's client for Rust needs besides: one port for JSON and gRPC, a thread for each
connection, generations in answers and as conditions, and lists, looks and deletions by gRPC in Google's published types.

    emulator.py PORT BUCKET
"""

import base64
import http.server
import socket
import struct
import sys
import threading
from concurrent import futures
from http import HTTPStatus

import grpc
from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects
from google.cloud._storage_v2.types import storage as v2
from google.protobuf import empty_pb2


def current(storage, bucket, name):
    try:
        return storage.get_file_obj(bucket, name)
    except NotFound:
        return None


def if_generation_matches(handler, name_of):
    """The handler, which heeds ifGenerationMatch."""

    def checked(request, response, storage, *rest, **words):
        wanted = request.query.get("ifGenerationMatch")
        there = current(storage, request.params["bucket_name"], name_of(request))
        if wanted and wanted[0] != (there["generation"] if there else "0"):
            response.status = HTTPStatus.PRECONDITION_FAILED
            reason = {"code": 412, "message": "conditionNotMet", "errors": [{"reason": "conditionNotMet"}]}
            return response.json({"error": reason})
        return handler(request, response, storage, *rest, **words)

    return checked


def with_headers(handler):
    """A download that says which object it is."""

    def download(request, response, storage, *rest, **words):
        there = current(storage, request.params["bucket_name"], request.params["object_id"])
        if there:
            response["x-goog-generation"] = there["generation"]
            response["x-goog-metageneration"] = there["metageneration"]
            response["x-goog-stored-content-length"] = str(there["size"])
            response["x-goog-stored-content-encoding"] = "identity"
            response["x-goog-storage-class"] = there["storageClass"]
        return handler(request, response, storage, *rest, **words)

    return download


def of_path(request):
    return request.params["object_id"]


def of_insert(request):
    """The name is in the query, or in the first of the parts that the body has."""
    named = request.query.get("name")
    return named[0] if named else request.data["meta"]["name"]


# Before the server is imported, which keeps these.
objects.insert = if_generation_matches(objects.insert, of_insert)
objects.download = with_headers(if_generation_matches(objects.download, of_path))

from gcp_storage_emulator import server  # noqa: E402


class Grpc:
    """google.storage.v2.Storage over the emulator's memory."""

    def __init__(self, storage):
        self.storage = storage

    def found(self, bucket, name, context):
        there = current(self.storage, bucket.rsplit("/", 1)[-1], name)
        return there or context.abort(grpc.StatusCode.NOT_FOUND, "no such object")

    @staticmethod
    def described(there):
        sums = v2.ObjectChecksums(
            crc32c=struct.unpack(">I", base64.b64decode(there["crc32c"]))[0], md5_hash=base64.b64decode(there["md5Hash"])
        )
        return v2.Object(
            name=there["name"], bucket=f"projects/_/buckets/{there['bucket']}", generation=int(there["generation"]),
            metageneration=int(there["metageneration"]), size=int(there["size"]), storage_class=there["storageClass"],
            metadata=there.get("metadata") or {}, checksums=sums,
        )

    def list(self, request, context):
        everything, _ = self.storage.get_file_list(request.parent.rsplit("/", 1)[-1], request.prefix or None, None)
        ordered = sorted(everything, key=lambda there: there["name"])
        begin, size = int(request.page_token or 0), request.page_size or 1000
        page = ordered[begin : begin + size]
        more = str(begin + size) if begin + size < len(ordered) else ""
        return v2.ListObjectsResponse(objects=[self.described(there) for there in page], next_page_token=more)

    def get(self, request, context):
        return self.described(self.found(request.bucket, request.object_, context))

    def delete(self, request, context):
        there = self.found(request.bucket, request.object_, context)
        if "if_generation_match" in request and str(request.if_generation_match) != there["generation"]:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "conditionNotMet")
        self.storage.delete_file(there["bucket"], there["name"])
        return empty_pb2.Empty()

    def serve(self):
        def of(handler, request, answer):
            return grpc.unary_unary_rpc_method_handler(
                handler, request_deserializer=request.deserialize, response_serializer=answer
            )

        methods = {
            "ListObjects": of(self.list, v2.ListObjectsRequest, v2.ListObjectsResponse.serialize),
            "GetObject": of(self.get, v2.GetObjectRequest, v2.Object.serialize),
            "DeleteObject": of(self.delete, v2.DeleteObjectRequest, lambda answer: answer.SerializeToString()),
        }
        served = grpc.server(futures.ThreadPoolExecutor(8))
        served.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("google.storage.v2.Storage", methods),))
        port = served.add_insecure_port("127.0.0.1:0")
        served.start()
        return served, port


def pass_on(source, sink):
    try:
        while got := source.recv(1 << 16):
            sink.sendall(got)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()


def split(port, json, rpc):
    """Leads each connection to JSON or to gRPC, by its first bytes."""
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        client, _ = listener.accept()

        def lead(client=client):
            first = client.recv(4, socket.MSG_PEEK)
            target = socket.create_connection(("127.0.0.1", rpc if first == b"PRI " else json))
            threading.Thread(target=pass_on, args=(target, client), daemon=True).start()
            pass_on(client, target)

        threading.Thread(target=lead, daemon=True).start()


port, bucket = int(sys.argv[1]), sys.argv[2]
server.server.HTTPServer = http.server.ThreadingHTTPServer
emulator = server.create_server("127.0.0.1", 0, in_memory=True, default_bucket=bucket)
emulator.start()
served, rpc = Grpc(emulator._storage).serve()
split(port, emulator._api._httpd.server_address[1], rpc)
