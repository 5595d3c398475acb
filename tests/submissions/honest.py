"""Honest ways to work in a notebook: cells that students add, and ways to write an answer.

None of it needs a person's look. `CELLS` may stand anywhere in any lecture; `ANSWERS` replaces an
answer.
"""

from __future__ import annotations

from course_utils.instructor.answers.skeleton import ANSWER, Skeleton
from course_utils.instructor.answers.submission import StudentCell, Submission

CELLS = {
    # --- setting up ---
    "drive": """
from google.colab import drive
drive.mount("/content/drive")
import os
os.chdir("/content/drive/MyDrive/course")
""",
    "upload": """
from google.colab import files
uploaded = files.upload()
for name in uploaded.keys():
    print(f"{name}: {len(uploaded[name])} bytes")
""",
    "in Colab": """
import sys
IN_COLAB = "google.colab" in sys.modules
if IN_COLAB:
    !pip install -q torchinfo
""",
    "in Colab, by the shell": "if 'google.colab' in str(get_ipython()):\n    print('on Colab')",
    "which shell": "shell = get_ipython().__class__.__name__\nprint(shell)",
    "pip": "!pip install -q torchmetrics seaborn > /dev/null 2>&1",
    "pip of versions": "!pip install \"torch>=2.2\" 'numpy<3' --upgrade | tail -n 1",
    "pip as a magic": "%pip install einops\n%conda install -y tqdm",
    "pip by Python": """
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "pip", "install", "einops"])
""",
    "pip by os": "import os\nos.system('pip install einops')",
    "pip by get_ipython": "get_ipython().system('pip install einops')",
    "apt": "!apt-get -qq update && apt-get -qq install -y graphviz",
    "wget": "!wget -q https://example.org/images.zip -O images.zip",
    "wget of a query": "!wget -nc 'https://example.org/a.zip?download=1&key=2' -O 'a.zip'",
    "curl": '!curl -L -o data.tar.gz "https://example.org/data.tar.gz"',
    "unzip": "!unzip -q -o images.zip -d data\n!ls data | head -5",
    "unzip by name": "archive = 'images.zip'\n!unzip -qq {archive} -d $archive",
    "folders": "!mkdir -p data && cd data && tar -xzf ../data.tar.gz; ls -la",
    "clone": "!git clone --depth 1 https://github.com/example/example.git\n%cd example",
    "Kaggle": """
!mkdir -p ~/.kaggle
!cp kaggle.json ~/.kaggle/
!chmod 600 ~/.kaggle/kaggle.json
!kaggle datasets download -d someone/flowers
""",
    "bash": "%%bash\npip install -q einops\n\n# what is here\nls -la\n",
    "which GPU": "gpu = !nvidia-smi\nprint('\\n'.join(gpu))\n!nvidia-smi -L",
    "system": "!cat /proc/cpuinfo | grep 'model name' | head -1\n!df -h\n!python --version",
    "device": """
import torch
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
if torch.cuda.is_available():
    print(torch.cuda.get_device_name(0))
""",
    "inline": "%matplotlib inline\n%config InlineBackend.figure_format = 'retina'",
    "autoreload": "%load_ext autoreload\n%autoreload 2",
    "reload": "import importlib\nimport course_utils\nimportlib.reload(course_utils)",
    "warnings": "import warnings\nwarnings.filterwarnings('ignore')",
    "figures": """
import matplotlib.pyplot as plt
plt.rcParams["figure.dpi"] = 120
plt.rcParams.update({"font.size": 12})
plt.style.use("ggplot")
""",
    "cudnn": """
import torch
torch.backends.cudnn.benchmark = True
torch.backends.cudnn.deterministic = False
torch.backends.cuda.matmul.allow_tf32 = True
""",
    "threads of torch": "import torch\ntorch.set_num_threads(1)\ntorch.set_printoptions(3)",
    "seeds": """
import os, random
import numpy as np
import torch
def set_seed(seed=42):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
set_seed()
""",
    "path": """
import os, sys
sys.path.append("..")
sys.path.insert(0, os.path.abspath("../course_utils"))
""",
    "where the course is": "import course_utils\nprint('course_utils:', course_utils.__file__)",
    "all results": """
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.ast_node_interactivity = "all"
""",
    "logging": "import logging\nlogging.basicConfig(level=logging.INFO)\nlogging.info('start')",
    "pandas": "import pandas as pd\npd.options.display.max_rows = 9\npd.set_option('precision', 3)",
    "variables of the environment": "%env TOKENIZERS_PARALLELISM=false\n%pwd\n%cd ..",
    "TensorBoard": "%load_ext tensorboard\n%tensorboard --logdir runs",
    # --- left behind ---
    "a syntax error": "for x in range(3) print(x)",
    "half a function": "def try_it(x):\n",
    "Markdown": "## What I learned\nThe kernel slides, so 5 - 3 + 1 = 3. **Is this right?**",
    "a traceback": 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no',
    "debug": "%debug",
    "timeit": "import torch\nx = torch.rand(9)\n%timeit x.sum()\n%time x.sum()\n%prun x.sum()",
    "a timed cell": "%%timeit -n 10\nsum(range(100))",
    "who": "%who\n%whos\n%history -n 1-5\n%lsmagic\n%xmode Minimal\n%precision 3",
    "questions": "print?\nlen??\nhelp(len)\ndir(str)",
    "input": "name = input('Your name: ')\nprint('Hello', name)",
    "comments": "# def attempt(x):\n#     return eval(x)  # did not work\n# open('/etc/passwd')",
    "memory": "import gc\nimport torch\ngc.collect()\ntorch.cuda.empty_cache()",
    "asyncio": "import asyncio\nawait asyncio.sleep(0)",
    "what is defined": "if 'net' in globals():\n    del net\nprint('x' not in locals())",
    "source": "import inspect\nfrom torch import nn\nprint(inspect.getsource(nn.Linear))",
    "restart": "import os\nprint(os.getpid(), os.getcwd(), os.listdir('.'))",
    # --- experiments ---
    "a network of torchvision": """
import torch
from torchvision.models import resnet18
network = resnet18(weights=None)
network.fc = torch.nn.Linear(512, 10)
torch.save(network.state_dict(), "network.pt")
""",
    "timm": "import timm\nbest = timm.create_model('resnet50')\nbest.eval()",
    "training": """
import torch
from torch import nn
from tqdm.auto import tqdm
class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
    def forward(self, x):
        return self.layer(x)
tiny = torch.compile(Tiny())
optimizer = torch.optim.SGD(tiny.parameters(), lr=0.1)
for step in tqdm(range(10)):
    optimizer.zero_grad()
    loss = tiny(torch.rand(4, 2)).square().mean()
    loss.backward()
    optimizer.step()
tiny.eval()
for module in tiny.modules():
    print(module)
""",
    "a choice of layers": """
from torch import nn
for name in ("ReLU", "GELU", "Tanh"):
    act = getattr(nn, name)()
    print(name, act)
""",
    "results as JSON": """
import json, os
results = {"accuracy": 0.9}
os.makedirs("results", exist_ok=True)
path = os.path.join("results", "first.json")
with open(path, "w") as file:
    json.dump(results, file)
""",
    "notes": "with open('notes.txt') as file:\n    print(file.read())",
    "notes on Drive": "with open('/content/drive/notes.txt', 'a') as file:\n    file.write('x')",
    "pictures": """
from pathlib import Path
import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
plt.savefig("curve.png")
Path("notes.md").write_text("a curve")
""",
    "a table": "import pandas as pd\ntable = pd.DataFrame({'a': [1]})\ntable.to_csv('table.csv')",
    "downloads side by side": """
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlretrieve
def download(url):
    urlretrieve(url, url.rpartition("/")[2])
with ThreadPoolExecutor() as pool:
    list(pool.map(download, ["https://example.org/a.png"]))
""",
    "processors": "import multiprocessing\nworkers = multiprocessing.cpu_count()\nprint(workers)",
    "a display": """
from IPython.display import HTML, Image, clear_output, display
display(HTML("<b>done</b>"))
clear_output()
""",
    "widgets": """
from ipywidgets import interact
@interact(x=(0, 10))
def square(x=3):
    return x * x
""",
    "a test": """
import unittest
class TestSum(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(sum([1, 2]), 3)
unittest.main(argv=[""], exit=False)
""",
    "doctests": "import doctest\ndoctest.testmod()",
    "errors": """
import traceback
try:
    1 / 0
except ZeroDivisionError as error:
    traceback.print_exc()
    print(type(error).__name__, error)
""",
    "timing": """
import functools, time
def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        print(function.__name__, time.perf_counter() - start)
        return result
    return wrapper
@timed
def work():
    time.sleep(0.01)
work()
""",
}

SIZE = """
    left = size + 2 * padding - dilation * (kernel_size - 1) - 1
    return left // stride + 1 if left >= 0 else 0
"""
HEAD = "def size_after(size, kernel_size, stride=1, padding=0, dilation=1):"
BLOCK = """
class ResidualBlock(nn.Module):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self._ops = nn.ModuleList([self.conv1, self.conv2])
        self.act = getattr(nn, "ReLU")()
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, input):
        x = input
        for number in (1, 2):
            x = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x))
            x = self.act(x) if number == 1 else x
        return self.act(x + (self.downsample(input) if self.downsample else input))
"""
ANSWERS = {
    "names": {"02.1": HEAD + "\n    open, gc, signal, compile = size, 1, 2, 3" + SIZE},
    "a helper's names": {
        "02.1": "def room(input, eval, open):\n    return input + open - eval\n"
        + HEAD
        + "\n    room(size, 1, 2)"
        + SIZE
    },
    "hints": {
        "02.1": "from __future__ import annotations\nfrom typing import Any, Optional\n"
        "def size_after(size: int, kernel_size: int, stride: int = 1, padding: int = 0, "
        "dilation: Optional[int] = 1) -> int:" + SIZE
    },
    "a data class": {
        "02.1": "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Window:\n"
        "    size: int\n    dilation: int\n"
        + HEAD
        + "\n    Window(kernel_size, dilation).size"
        + SIZE
    },
    "a cache": {"02.1": "import functools\n@functools.lru_cache(maxsize=None)\n" + HEAD + SIZE},
    "the check below": {"02.1": HEAD + SIZE + '\ncheck("02.1", size_after)'},
    "attempts above": {"02.1": "# def size_after(x):\n#     return eval(x)\n\n" + HEAD + SIZE},
    "prints and tests": {
        "02.1": HEAD
        + SIZE
        + "print(size_after(5, 3))\nassert size_after(5, 3) == 3\n"
        + "try:\n    size_after('a', 1)\nexcept TypeError as error:\n    print(error)"
    },
    "types asked for": {
        "02.1": HEAD + "\n    if not isinstance(size, int):\n        raise TypeError(size)" + SIZE
    },
    "timed": {"02.1": "%%time\n" + HEAD + SIZE},
    "NumPy": {"02.1": "import math\nimport numpy as np\n" + HEAD + "\n    np.floor(1)" + SIZE},
    "a docstring": {"02.1": HEAD + '\n    """As in course_utils.arithmetic, by me."""' + SIZE},
    "memory": {"02.1": "import gc\n" + HEAD + "\n    gc.collect()" + SIZE},
    "a warning": {"02.1": "import warnings\n" + HEAD + "\n    warnings.warn('x')" + SIZE},
    "the device": {
        "02.1": "from course_utils import get_device\nhere = get_device()\n"
        + HEAD
        + "\n    torch.zeros(1).to(here)"
        + SIZE
    },
    "imports again": {"08.3": "import torch\nfrom torch import nn\n" + BLOCK},
    "looked at after": {
        "08.3": BLOCK + "block = ResidualBlock(4, 4)\nblock.eval()\n"
        "for part in block.modules():\n    print(part)\nblock(torch.rand(1, 4, 8, 8)).shape"
    },
    "a debugging repr": {
        "08.3": BLOCK + "    def __repr__(self):\n        return self.__class__.__name__"
    },
}


def submission(
    skeleton: Skeleton,
    added: str = "",
    answers: dict[str, str] | None = None,
    at: int | None = 1,
) -> Submission:
    """Return the lecture as it is handed in: solved, with a cell added and other answers."""
    cells = [
        StudentCell(
            (answers or {}).get(step.exercise, step.source) if step.kind == ANSWER else step.source,
            step.mark,
            (step.id,),
        )
        for step in skeleton.steps
    ]
    if added:
        cells.insert(len(cells) if at is None else at, StudentCell(added.strip("\n")))
    return Submission("honest.ipynb", lecture=skeleton.lecture, cells=tuple(cells))
