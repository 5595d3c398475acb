"""CIFAR with a few images, as files and as an archive."""

import io
import tarfile

import numpy as np


def cifar_files(kind, each=20):
    """Small files in CIFAR's format: image i of a file has all pixels i, and label i modulo."""
    files = {kind.names_file: "\n".join(f"class{n}" for n in range(kind.num_classes)) + "\n\n"}
    files = {name: text.encode() for name, text in files.items()}
    for name in (*kind.train_files, *kind.test_files):
        records = []
        for number in range(each):
            label = number % kind.num_classes
            labels = [label] if kind.label_bytes == 1 else [99, label]
            pixels = np.repeat([number, number + 50, number + 100], 1024)
            records.append(bytes(labels) + pixels.astype(np.uint8).tobytes())
        files[name] = b"".join(records)
    return files


def archive_of(files, folder) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}" if folder else name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
