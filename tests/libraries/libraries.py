"""Libraries that serve subgraphs, each as a program that answers GraphQL requests by JSON lines.

All of them serve one small schema: `Query.product`, and `Product` with the key `id` and a shareable `name`.
Versions are locked in the folder of each language; packages are fetched when a test needs them.
"""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.environments import folder_of_programs
from tests.oracle.programs import find_node, install

HERE = Path(__file__).parent
NODE, PYTHON = HERE / "node", HERE / "python"
JAVA, KOTLIN, SCALA, RUST, GO = (HERE / one for one in ("java", "kotlin", "scala", "rust", "go"))
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
SUBGRAPH_VERSIONS = ("2.0", "2.2", "2.4", "2.7", "2.9", "2.12", "2.14")


@dataclass(frozen=True, slots=True)
class Library:
    """A library: the tool that runs it, its folder, and the command (which installs missing packages).
    `bounded`: every run of the tests includes it.
    """

    name: str
    tool: str
    folder: Path
    command: Callable[[], list[str]]
    bounded: bool = False

    @property
    def lacks(self) -> str:
        """Why it can't run on this machine; "" if it can."""
        there = find_node() if self.tool == "node" else shutil.which(self.tool)
        return "" if there else f"{self.name}: there is no {self.tool} on this machine"


def python_of_libraries() -> str:
    """The Python of a separate environment with the locked packages."""
    return str(folder_of_programs("libraries", PYTHON) / "python")


def _node(*program: str) -> Callable[[], list[str]]:
    return lambda: [install(NODE), *program]


def _python(program: str) -> Callable[[], list[str]]:
    return lambda: [python_of_libraries(), program]


def _class_path(folder: Path, *goals: str) -> str:
    """Run the goals of Maven in the folder; return the jars of its pom.xml as a class path."""
    build = ["mvn", "-q", "-B", *goals, f"{PLUGIN}:build-classpath", "-Dmdep.outputFile=target/classpath"]
    subprocess.run(build, cwd=folder, check=True, timeout=600)
    return (folder / "target" / "classpath").read_text().strip()


def _maven(folder: Path, main: str) -> Callable[[], list[str]]:
    return lambda: ["java", "-cp", f"target/classes:{_class_path(folder, 'compile')}", main]


def _scala() -> list[str]:
    jars, classes = _class_path(SCALA), SCALA / "target" / "classes"
    classes.mkdir(exist_ok=True)
    compiler = ["java", "-cp", jars, "dotty.tools.dotc.Main"]  # a plugin of Maven is not needed for one file
    source = SCALA / "src" / "WithCaliban.scala"
    subprocess.run([*compiler, "-d", classes, "-classpath", jars, source], check=True, timeout=600)
    return ["java", "-cp", f"{classes}:{jars}", "subgraph.WithCaliban"]


def _rust() -> list[str]:
    subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=RUST, check=True, timeout=1200)
    return [str(RUST / "target" / "debug" / "with_rust")]


def _go() -> list[str]:
    for step in (["tool", "gqlgen", "generate"], ["build", "-o", "target/with_gqlgen", "."]):
        subprocess.run(["go", *step], cwd=GO, check=True, timeout=600)
    return [str(GO / "target" / "with_gqlgen")]


LIBRARIES = (
    *(
        Library(
            f"@apollo/subgraph {one}", "node", NODE, _node("with_apollo.mjs", f"subgraph-{one}", one), True
        )
        for one in SUBGRAPH_VERSIONS
    ),
    Library("@nestjs/graphql", "node", NODE, _node("with_nest.mjs"), True),
    Library("strawberry-graphql", "python3", PYTHON, _python("with_strawberry.py"), True),
    Library("ariadne", "python3", PYTHON, _python("with_ariadne.py"), True),
    Library("graphene-federation", "python3", PYTHON, _python("with_graphene.py"), True),
    Library("federation-graphql-java-support", "mvn", JAVA, _maven(JAVA, "WithJava")),
    Library("graphql-kotlin-federation", "mvn", KOTLIN, _maven(KOTLIN, "subgraph.WithKotlinKt")),
    Library("caliban-federation", "mvn", SCALA, _scala),
    Library("async-graphql", "cargo", RUST, _rust),
    Library("gqlgen", "go", GO, _go),
)
