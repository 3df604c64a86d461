import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;

/** Posts its input twice with the JDK's client as it is by default: it asks for h2c. Prints the last reply. */
public class Client {
    public static void main(String[] arguments) throws Exception {
        byte[] body = System.in.readAllBytes();
        HttpClient client = HttpClient.newHttpClient();
        HttpResponse<String> response = null;
        for (int number = 0; number < 2; number++) {
            BodyPublisher publisher = arguments[1].equals("chunked")
                ? BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body))
                : BodyPublishers.ofByteArray(body);
            HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
                .header("content-type", "application/json")
                .POST(publisher)
                .build();
            response = client.send(request, HttpResponse.BodyHandlers.ofString());
        }
        String version = response.version() == HttpClient.Version.HTTP_1_1 ? "HTTP/1.1" : "HTTP/2";
        System.out.print(version + " " + response.statusCode() + " " + response.body());
    }
}
